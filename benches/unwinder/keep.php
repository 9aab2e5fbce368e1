<?php
class Cache {
    public $entries = [];
    function keep($n) { $this->entries[] = str_repeat('x', $n); }
}
function serve($cache, $n) {
    $cache->keep($n);
    array_map(fn($x) => $cache->keep($x + 20), range(1, 5));
}
$cache = new Cache;
for ($i = 0; $i < 30000; $i++) serve($cache, $i % 500 + 20);
echo "ready\n";
flush();
sleep(600);
