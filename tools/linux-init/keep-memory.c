/* keep-memory FILE: takes back that firmware is to overwrite memory at the next reset. The kernel's
 * EFI stub asks for that wherever there is a TPM (TCG, Platform Reset Attack Mitigation:
 * MemoryOverwriteRequestControl); FILE is the variable, as efivarfs shows it. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* efivarfs lets nobody write to what it does not know by name. */
static void make_mutable(const char *path)
{
    int file = open(path, O_RDONLY), none = 0;

    if (file >= 0)
        ioctl(file, FS_IOC_SETFLAGS, &none);
    close(file);
}

int main(int argc, char **argv)
{
    /* Its attributes: non-volatile, for boot services, for run time. Its value: no request. */
    static const unsigned char nothing[] = {7, 0, 0, 0, 0};
    int file;

    if (argc != 2 || access(argv[1], F_OK))
        return argc != 2;
    make_mutable(argv[1]);
    file = open(argv[1], O_WRONLY);
    if (file >= 0 && write(file, nothing, sizeof nothing) == sizeof nothing)
        return 0;
    perror(argv[1]);
    return 1;
}
