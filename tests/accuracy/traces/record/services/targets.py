"""What record.py can record: how a target is started, and how it is loaded (the words of record.Load and of load's classes)."""

import pathlib

TARGETS = {}


def python(release, page, **options):
    command = ["python3", "{here}/service.py", "{port}", page]
    return {"command": command, "env": {"PYTHONPATH": f"{{envs}}/{release}"}, **options}


def node(release, page, program="node", **options):
    command = [program, "{here}/service.js", "{port}", page]
    return {"command": command, "env": {"NODE_PATH": f"{{envs}}/npm-{release}/node_modules"}, **options}


def java(page, *words, **options):
    return {"command": ["java", "-Dsun.net.httpserver.nodelay=true", *words, "-cp", "{here}/classes", "Service", "{port}", page], **options}


def gunicorn(page, *words, **options):
    command = ["python3", "-m", "gunicorn", "-b", "127.0.0.1:{port}", "--chdir", "{here}", *words, "wsgi:application"]
    return {"command": command, "env": {"PYTHONPATH": "{envs}/wsgi", "PAGE": page}, **options}


def postgres(kind, **options):
    become = "setpriv --reuid postgres --regid postgres --clear-groups"
    home = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default="")
    prepare = f"install -d -o postgres {{dir}}/pg && cd / && {become} {home}/initdb -A trust -D {{dir}}/pg/data"
    rows = "CREATE TABLE item AS SELECT id, repeat(md5(id::text), 8) AS note FROM generate_series(0, 199999) id;"
    rows += "CREATE INDEX ON item (id); ANALYZE item"
    command = f"{become} {home}/postgres -D {{dir}}/pg/data -p {{port}} -k {{dir}}/pg -c autovacuum=off -c fsync=off"
    then = f'psql -q -h {{dir}}/pg -p {{port}} -U postgres -c "{rows}"'
    command = [*command.split(), "-c", "listen_addresses=127.0.0.1"]
    return {"command": command, "prepare": prepare, "then": then, "client": "Postgres", "kind": kind, **options}



for release in ["1.2.2", "1.2.3"]:
    TARGETS[f"msgpack-{release}"] = python(f"msgpack-{release}", "msgpack_key")
for release in ["6.3.2", "6.4.2"]:
    TARGETS[f"multidict-{release}"] = python(f"multidict-{release}", "multidict_headers", warm=10)
for release in ["3.0.0", "3.2.1"]:
    TARGETS[f"hiredis-{release}"] = python(f"hiredis-{release}", "hiredis_map", pause=(8, 5))
for release in ["1.24.0", "1.24.1"]:
    TARGETS[f"numpy-{release}"] = python(f"numpy-{release}", "numpy_fill", warm=10)
for release in ["2.5.2", "2.5.3"]:
    TARGETS[f"pydantic-adapter-{release}"] = python(f"pydantic-{release}", "pydantic_adapter", gap=0.02)
for release in ["2.7.0", "2.12"]:
    TARGETS[f"pydantic-iterable-{release}"] = python(f"pydantic-{release}", "pydantic_iterable", gap=0.006)
for release in ["5.7.0", "5.9.0"]:
    TARGETS[f"cbor2-{release}"] = python(f"cbor2-{release}", "cbor2_long", connections=1, gap=0.05, rows=120)
for release in ["0.3.17", "0.3.18"]:
    TARGETS[f"selectolax-{release}"] = python(f"selectolax-{release}", "selectolax_matches", gap=0.05)
for release, package in [("2.1.2", "pendulum"), ("3.0.0", "pendulum-3")]:
    TARGETS[f"pendulum-{release}"] = python(package, "pendulum_bad", warm=10, rows=80)
for release in ["4.1.1", "4.3.4"]:
    TARGETS[f"debug-{release}"] = node(f"debug-{release}", "debug")
for release in ["1.1.0", "4.3.0"]:
    TARGETS[f"mem-{release}"] = node(f"mem-{release}", "mem", warm=10)
TARGETS["ajv-each"] = node("ajv-8.17.1", "ajv", gap=0.006)
TARGETS["ajv-once"] = node("ajv-8.17.1", "ajv-once", gap=0.006)
FILE = {"prepare": "head -c 4000000 /dev/zero > {dir}/file", "connections": 3, "gap": 0.03, "abort": 5}
for page in ["pipe", "pipeline"]:
    TARGETS[f"node-{page}"] = node("debug-4.3.4", page, **FILE)
    TARGETS[f"node-{page}"]["env"]["FILE"] = "{dir}/file"
TARGETS["node-listener"] = node("debug-4.3.4", "listener")
TARGETS["node-rows"] = node("debug-4.3.4", "rows")
TARGETS["java-delete-serial"] = java("delete", "-XX:+UseSerialGC", "-Xms16m", "-Xmx64m", warm=10, gap=0.001)
TARGETS["java-rows-g1"] = java("rows", "-Xmx256m")
TARGETS["postgres-prepare"] = postgres("prepare", gap=0.005)
TARGETS["postgres-buffers"] = postgres("buffers", connections=4)
TARGETS["gunicorn-kept"] = gunicorn("kept", "-w", "2", gap=0.005)
TARGETS["gunicorn-flat"] = gunicorn("flat", "-w", "2", gap=0.005)
RECYCLED = ["-w", "3", "--max-requests", "1500", "--max-requests-jitter", "500"]
TARGETS["gunicorn-flat-recycled"] = gunicorn("flat", *RECYCLED, gap=0.005)
UWSGI = ["uwsgi_python3", "--http-socket", "127.0.0.1:{port}", "--master", "-p", "2", "--wsgi-file", "{here}/wsgi.py", "-L"]
TARGETS["uwsgi-kept"] = {"command": UWSGI, "env": {"PAGE": "kept"}, "kept": False, "warm": 10, "rows": 120}
TARGETS["uwsgi-flat"] = {"command": UWSGI, "env": {"PAGE": "flat"}, "kept": False, "warm": 10, "rows": 120}
PUMA = ["puma", "-b", "tcp://127.0.0.1:{port}", "-w", "2", "-t", "2:2", "-e", "production", "{here}/config.ru"]
TARGETS["puma"] = {"command": PUMA, "gap": 0.006}
TARGETS["tokio"] = {"command": ["{here}/tokio/target/release/tokio-service", "{port}"]}
TARGETS["lru-unbounded"] = python("wsgi", "lru_unbounded", warm=10, pause=(15, 5))
TARGETS["churn"] = python("wsgi", "churn", gap=0.008)
MEMCACHED = ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "{port}", "-t", "2", "-m"]
TARGETS["memcached-32"] = {"command": [*MEMCACHED, "32"], "client": "Memcached"}
TARGETS["memcached-filling"] = {"command": [*MEMCACHED, "512"], "client": "Memcached", "rows": 100}
TARGETS["haproxy"] = {"command": ["haproxy", "-f", "{here}/haproxy.cfg"], "env": {"PORT": "{port}"}, "warm": 10}
CADDY = ["caddy", "file-server", "--listen", "127.0.0.1:{port}", "--root", "{here}", "--templates"]
TARGETS["caddy"] = {"command": CADDY, "path": "/page.html", "env": {"HOME": "{dir}"}}
