/* bed-port PORT VALUE: what a test bed has there. F4h ends the machine with this exit status, F5h
 * (bed P) makes it tell how many instructions it has executed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    unsigned short port = argc == 3 ? (unsigned short)strtoul(argv[1], NULL, 0) : 0;

    if (!port || ioperm(port, 1, 1)) {
        perror("usage: bed-port PORT VALUE, as root");
        return 1;
    }
    sync();
    outb((unsigned char)atoi(argv[2]), port);
    return 0;
}
