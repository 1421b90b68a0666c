/* ACPI 4.8.3.2.1: PM1 control has SLP_TYP in bits 12:10 and SLP_EN in bit 13. Pure. */
#include "ports/io.h"

#define SLP_TYP(value) FIELD(value, 12, 10)
#define SLP_EN         BIT(13)

/* The bytes of the access that fall on the register, in its bit positions. */
static u32 register_bits(u16 reg, u16 port, u32 size, u32 value)
{
    u32 bits = 0;

    for (u32 i = 0; i < size; i++)
        if (port + i == reg || port + i == reg + 1U)
            bits |= (value >> (8 * i) & 0xff) << (8 * (port + i - reg));
    return bits;
}

/* One that the chipset does not tell from suspend would be one. */
static bool can_hibernate(const struct boot_sleep *sleep)
{
    return sleep->s4_typ_a != sleep->s3_typ;
}

/* Soft-off and hibernation end the machine's life under Cede, so they may pass; all else that
 * sleeps may not. Where the firmware does not say what soft-off is, only S3 is known to be wrong.
 */
static bool refused(const struct boot_sleep *sleep, u32 bits, u8 off_type, u8 hibernation_type)
{
    u32 type = SLP_TYP(bits);

    if (!(bits & SLP_EN))
        return false;
    if (!sleep->s5_known)
        return type == sleep->s3_typ;
    return type != off_type && !(can_hibernate(sleep) && type == hibernation_type);
}

bool io_sleeps(const struct boot_sleep *sleep, u16 port, u32 size, u32 value)
{
    if (sleep->pm1a_cnt && refused(sleep, register_bits(sleep->pm1a_cnt, port, size, value),
                                   sleep->s5_typ_a, sleep->s4_typ_a))
        return true;
    return sleep->pm1b_cnt && refused(sleep, register_bits(sleep->pm1b_cnt, port, size, value),
                                      sleep->s5_typ_b, sleep->s4_typ_b);
}
