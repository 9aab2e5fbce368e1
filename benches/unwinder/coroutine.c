// Keeps memory in a coroutine, on a stack of as many bytes as the first argument says, below a page that may not be touched.

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static ucontext_t outside, inside;
static char *kept[20000];

__attribute__((noinline)) static char *keep(int bytes) {
    char *block = malloc(bytes);
    block[0] = 1;
    return block;
}

__attribute__((noinline)) static char *handle(int bytes) {
    volatile char buffer[300];
    buffer[3] = 1;
    char *block = keep(bytes + buffer[3]);
    buffer[4] = 1;
    return block;
}

static void serve(void) {
    for (int i = 0; i < 20000; i++) {
        kept[i] = handle(1000);
        swapcontext(&inside, &outside);
    }
}

int main(int count, char **arguments) {
    int size = count > 1 ? atoi(arguments[1]) : 4096;
    char *low = mmap(0, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(low + 4096, size, PROT_READ | PROT_WRITE);
    getcontext(&inside);
    inside.uc_stack.ss_sp = low + 4096;
    inside.uc_stack.ss_size = size;
    inside.uc_link = &outside;
    makecontext(&inside, serve, 0);
    for (int i = 0; i < 20000; i++) swapcontext(&outside, &inside);
    puts("ready");
    fflush(stdout);
    pause();
}
