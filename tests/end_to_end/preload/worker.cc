// A program in C++ for the preload library: operator new in all its forms, exceptions across threads, libraries that are
// loaded and unloaded. It says what it found, and how many bytes it keeps.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <exception>
#include <malloc.h>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

struct alignas(256) Wide {
    char bytes[1000];
};

static long thrown(int depth) {
    auto guard = std::make_unique<std::string>(200, 'x');
    if (depth == 0) throw std::runtime_error(std::string(300, 'e'));
    return thrown(depth - 1) + static_cast<long>(guard->size());
}

static void across(std::exception_ptr &error) {
    try {
        thrown(50);
    } catch (...) {
        error = std::current_exception();
    }
}

static void mark(long value) {
    char line[64];
    int length = snprintf(line, sizeof line, "%d %ld\n", getpid(), value);
    if (write(1, line, length) != length || read(0, line, 1) != 1) _exit(1);
}

static long work() {
    long caught = 0;
    for (int round = 0; round < 20; round++) {
        std::exception_ptr errors[4];
        std::vector<std::thread> threads;
        for (auto &error : errors) threads.emplace_back(across, std::ref(error));
        for (auto &thread : threads) thread.join();
        for (auto &error : errors) {
            try {
                std::rethrow_exception(error);
            } catch (const std::runtime_error &e) {
                caught += static_cast<long>(std::string(e.what()).size());
            }
        }
        std::map<std::string, std::vector<int>> map;
        for (int i = 0; i < 500; i++) map[std::to_string(i * 7919)].resize(i % 50);
        std::unique_ptr<Wide[]> wide(new Wide[10]);
        caught += reinterpret_cast<unsigned long>(wide.get()) % 256;
        void *library = dlopen("libBrokenLocale.so.1", RTLD_NOW | RTLD_LOCAL);
        if (!library || dlclose(library)) abort();
    }
    try {
        volatile size_t much = static_cast<size_t>(1) << 62;
        char *volatile block = new char[much];
        delete[] block;
    } catch (const std::bad_alloc &) {
        caught++;
    }
    return caught;
}

int main(int count, char **) {
    if (count > 1) {
        printf("%ld\n", work());
        return 0;
    }
    work();
    mark(0);
    work();
    long kept = 0;
    for (int i = 0; i < 1000; i++) {
        kept += malloc_usable_size(new char[500 + i]);
        kept += malloc_usable_size(new Wide);
    }
    mark(kept);
}
