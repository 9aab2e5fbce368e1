<?php
// A page of a shop: some of its items, asked of the database over a connection that is closed at the end. With LEAK=php each request
// keeps 4 KiB of C memory, as a faulty extension would; with LEAK=database it leaves a prepared statement in the database, on a connection that
// stays open from one request to the next.

/** As much of the database's protocol as is needed: root without a password, over a socket. */
class Connection
{
    private $stream;

    public function __construct(string $path, bool $stays)
    {
        $flags = STREAM_CLIENT_CONNECT | ($stays ? STREAM_CLIENT_PERSISTENT : 0);
        $this->stream = stream_socket_client("unix://$path", $code, $error, 5, $flags)
            ?: throw new RuntimeException($error);
        // One that has stayed open is beyond its greeting.
        if (ftell($this->stream) === 0) {
            $this->packet();
            $capabilities = 0x1 | 0x200 | 0x8000 | 0x80000;
            $this->send(1, pack('VVCx23', $capabilities, 1 << 24, 45) . "root\0\0mysql_native_password\0");
            $this->packet();
        }
    }

    /** How many rows the answer has. */
    public function query(string $text): int
    {
        $this->send(0, "\x03$text");
        $this->packet();
        $rows = 0;
        foreach ([false, true] as $counted) {
            while ($this->packet()[0] !== "\xfe") {
                $rows += $counted;
            }
        }
        return $rows;
    }

    /** Prepares a statement without parameters, which the server keeps until it is closed or the connection is. */
    public function prepare(string $text): void
    {
        $this->send(0, "\x16$text");
        $columns = unpack('v', $this->packet(), 5)[1];
        for ($n = 0; $n < $columns + 1; $n++) {
            $this->packet();
        }
    }

    private function packet(): string
    {
        $body = $this->read(unpack('V', $this->read(4))[1] & 0xffffff);
        return $body[0] === "\xff" ? throw new RuntimeException(substr($body, 3)) : $body;
    }

    private function read(int $length): string
    {
        $bytes = stream_get_contents($this->stream, $length);
        return strlen($bytes) === $length ? $bytes : throw new RuntimeException('the database has closed the connection');
    }

    private function send(int $number, string $body): void
    {
        fwrite($this->stream, substr(pack('V', strlen($body)), 0, 3) . chr($number) . $body);
    }
}

$leak = getenv('LEAK');
if ($leak === 'php') {
    $c = FFI::cdef('void *malloc(size_t size);');
    FFI::memset($c->malloc(4096), 1, 4096);
}
$connection = new Connection(getenv('DATABASE'), $leak === 'database');
$first = random_int(1, 900);
$items = "SELECT * FROM shop.item WHERE id BETWEEN $first AND " . ($first + 20) . ' ORDER BY note, id DESC';
if ($leak === 'database') {
    $connection->prepare($items);
}
echo $connection->query($items), "\n";
