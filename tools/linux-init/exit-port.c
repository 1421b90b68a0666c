/* exit-port VALUE: ends the emulated machine with this exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 2 || ioperm(0xf4, 1, 1)) {
        perror("usage: exit-port VALUE, as root");
        return 1;
    }
    sync();
    outb((unsigned char)atoi(argv[1]), 0xf4);
    for (;;)
        pause();
}
