/* As much of ACPI's machine language as a DSDT for this bed takes (ACPI 6.4, chapter 20). */
#ifndef CEDE_PMU_AML_H
#define CEDE_PMU_AML_H

#include <cstdint>
#include <vector>

namespace pmu
{

typedef std::vector<uint8_t> Bytes;

inline Bytes operator+(Bytes left, const Bytes &right)
{
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

inline Bytes text(const char *name)
{
    return name[0] ? Bytes{(uint8_t)name[0]} + text(name + 1) : Bytes{};
}

inline Bytes little(uint64_t value, unsigned size)
{
    Bytes out;
    for (unsigned k = 0; k < size; k++)
        out.push_back((uint8_t)(value >> 8 * k));
    return out;
}

/* PkgLength counts itself; here always in its two-byte form, up to 4095 (20.2.4). */
inline Bytes packaged(const Bytes &body)
{
    unsigned length = (unsigned)body.size() + 2;
    return Bytes{(uint8_t)(0x40 | (length & 15)), (uint8_t)(length >> 4)} + body;
}

inline Bytes aml_byte(uint8_t value)
{
    return {0x0a, value};
}
inline Bytes aml_dword(uint32_t value)
{
    return Bytes{0x0c} + little(value, 4);
}
inline Bytes aml_name(const char *name, const Bytes &value)
{
    return Bytes{0x08} + text(name) + value;
}
inline Bytes aml_scope(const char *name, const Bytes &body)
{
    return Bytes{0x10} + packaged(text(name) + body);
}
inline Bytes aml_device(const char *name, const Bytes &body)
{
    return Bytes{0x5b, 0x82} + packaged(text(name) + body);
}
inline Bytes aml_package(uint8_t count, const Bytes &elements)
{
    return Bytes{0x12} + packaged(Bytes{count} + elements);
}
inline Bytes aml_buffer(const Bytes &bytes)
{
    return Bytes{0x11} + packaged(aml_byte((uint8_t)bytes.size()) + bytes);
}

} // namespace pmu

#endif
