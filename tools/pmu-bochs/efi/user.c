/* User mode and kernel mode apart; instructions that fault do not retire. */
#include "core.h"
#include "probe.h"

static u64 counted(u32 counter, core_work *body, u64 argument)
{
    u64 before = rdmsr(counter);
    attempt_user(body, argument, NULL);
    return rdmsr(counter) - before;
}

static void skip_ud2(struct frame *frame)
{
    frame->rip += 2;
}

void user_probe(u32 user, u32 kernel)
{
    test_begin("user-and-kernel");
    u64 thousand = counted(user, user_loop, 1000);
    expect_equal("2000 more at CPL 3", counted(user, user_loop, 2000) - thousand, 2000);
    u64 there_and_back = counted(kernel, user_loop, 1000);
    expect(there_and_back > 5, "%lu instructions at CPL 0", there_and_back);
    expect_equal("at CPL 0, after more at CPL 3", counted(kernel, user_loop, 2000), there_and_back);
    u64 plain = counted(user, user_nops, 0);
    this_core()->handler[VECTOR_UD] = skip_ud2;
    expect_equal("with two faults", counted(user, user_faults, 0), plain);
    this_core()->handler[VECTOR_UD] = NULL;
    test_end();
}
