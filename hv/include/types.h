/* Fixed-width types and the few macros that every part of Cede uses. */
#ifndef CEDE_TYPES_H
#define CEDE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n)             (1ULL << (n))
#define MASK(high, low)    ((~0ULL >> (63 - (high))) & (~0ULL << (low)))
#define FIELD(value, h, l) (((value)&MASK(h, l)) >> (l))
#define COUNT(array)       (sizeof(array) / sizeof((array)[0]))
#define ALIGN_UP(x, a)     (((x) + (a)-1) & ~((u64)(a)-1))
#define ALIGN_DOWN(x, a)   ((x) & ~((u64)(a)-1))
#define MIN(a, b)          ((a) < (b) ? (a) : (b))
#define MAX(a, b)          ((a) > (b) ? (a) : (b))

#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
