#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

struct Cache {
    std::map<std::string, std::vector<int>> entries;
    void put(int i) { entries["key-number-" + std::to_string(i)].resize(i % 50 + 1); }
};

int main() {
    Cache cache;
    std::function<void(int)> serve = [&](int i) {
        cache.put(i % 5000);
        std::string text(i % 300, 'x');
    };
    for (int i = 0; i < 100000; i++) serve(i);
    std::puts("ready");
    std::fflush(stdout);
    pause();
}
