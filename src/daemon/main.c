#include "daemon/daemon.h"

#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int fd = 0; fd <= 2; fd++) /* a closed one would be the number of the next file opened */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return 1;
    return daemon_main(argc, argv);
}
