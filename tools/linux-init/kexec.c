/* kexec load|crash KERNEL INITRD COMMAND-LINE: the kernel to start next, or at a crash.
 * kexec go: starts it. */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(char **words, unsigned long flags)
{
    int kernel = open(words[0], O_RDONLY), initrd = open(words[1], O_RDONLY);

    if (kernel < 0 || initrd < 0)
        return -1;
    return (int)syscall(SYS_kexec_file_load, kernel, initrd, strlen(words[2]) + 1, words[2], flags);
}

static int go(void)
{
    return (int)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                        LINUX_REBOOT_CMD_KEXEC, NULL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int result = -1;

    if (argc == 5 && (!strcmp(what, "load") || !strcmp(what, "crash")))
        result = load(argv + 2, *what == 'c' ? KEXEC_FILE_ON_CRASH : 0);
    else if (argc == 2 && !strcmp(what, "go"))
        result = go();
    else
        fputs("usage: kexec load|crash KERNEL INITRD COMMAND-LINE | kexec go\n", stderr);
    if (result)
        perror(what);
    return result != 0;
}
