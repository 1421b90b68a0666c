/* The memory functions that a C compiler may call on its own. String instructions, so that the
 * compiler cannot turn a loop in here into a call to itself. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

void *memcpy(void *to, const void *from, size_t size)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t size)
{
    char *end = (char *)to + size - 1;
    const char *last = (const char *)from + size - 1;

    if (to <= from || (const char *)to > last)
        return memcpy(to, from, size);
    __asm__ volatile("std; rep movsb; cld" : "+D"(end), "+S"(last), "+c"(size) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t size)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;

    for (; size; x++, y++, size--)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}
