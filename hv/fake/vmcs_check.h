/* What a VMCS must hold, field by field: after vmcs_forget() and the code under test, each field
 * that was named by vmcs_want() holds that, and no other was written. Fields are given by their
 * encodings in appendix B of the SDM, so that the names in vmcs.h are tested too. Include it after
 * fake_vmx.h. */
#ifndef CEDE_VMCS_CHECK_H
#define CEDE_VMCS_CHECK_H

#define VMCS_UNTOUCHED 0xbad0bad1bad2bad3ULL

struct vmcs_row {
    u32 field;
    u64 value;
};

static u64 vmcs_wanted[COUNT(fake_vmcs)];

static inline void vmcs_forget(void)
{
    for (u32 i = 0; i < COUNT(fake_vmcs); i++)
        fake_vmcs[i] = vmcs_wanted[i] = VMCS_UNTOUCHED;
}

static inline void vmcs_want(u32 field, u64 value)
{
    vmcs_wanted[field] = value;
}

static inline void vmcs_want_rows(const struct vmcs_row *rows, u32 count)
{
    for (u32 i = 0; i < count; i++)
        vmcs_want(rows[i].field, rows[i].value);
}

static inline void vmcs_is_as_wanted(void)
{
    for (u32 i = 0; i < COUNT(fake_vmcs); i++)
        if (fake_vmcs[i] != vmcs_wanted[i])
            fail_msg("VMCS field %x: %llx, not %llx", i, (unsigned long long)fake_vmcs[i],
                     (unsigned long long)vmcs_wanted[i]);
}

#endif
