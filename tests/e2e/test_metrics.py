#!/usr/bin/python3
"""What derivd counts, as those see it who will look at it: promtool judges text and rules, a Prometheus scrapes through a socket
as systemd makes it, evaluates the alert rules, and answers every question of the dashboard."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from kiosk import GROUPS, MONITOR, NOBODY, Kiosk, KioskError, free_port, run, wait_for  # noqa: E402
from rig import Process  # noqa: E402
from tap import Tap  # noqa: E402

tap = Tap()
tap.need("prometheus", "promtool", "systemd-socket-activate", "curl")
CONTRIB = os.path.join(HERE, "../../contrib/metrics")
kiosk = tap.use(Kiosk())
kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
METRICS = kiosk.program("derivd-metrics")


def metrics(*words, uid=MONITOR, **how):
    return run(METRICS, *words, env=kiosk.environment(), **kiosk.as_person(uid), **how)


def values(text):
    """Samples of a scrape: "name{labels}" to number."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            tap.check(name not in found, f"{name} is there twice")
            found[name] = float(value)
    return found


def now():
    return values(metrics("print").stdout)


def socket_unit(port):
    """What derivd-metrics.socket and derivd-metrics@.service are under systemd."""
    environment = ["-E", f"RUNTIME_DIRECTORY={kiosk.at('run')}", "-E", f"CONFIGURATION_DIRECTORY={kiosk.at('etc')}"]
    if "ASAN_OPTIONS" in os.environ:
        environment += ["-E", "ASAN_OPTIONS"]
    return Process.start(["setpriv", "--reuid", str(MONITOR), "--regid", str(MONITOR), "--groups", str(GROUPS[MONITOR]), "systemd-socket-activate",
                          "--accept", "--inetd", "--listen", f"127.0.0.1:{port}", *environment, METRICS, "answer"],
                         kiosk.at("log/activate.log"), True)


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


@tap.test("promtool finds nothing to say about the text; nothing in it is anybody's")
def _():
    text = metrics("print").stdout
    run("promtool", "check", "metrics", input=text)
    for name in ("Ada", "Lovelace", "example.org", kiosk.dir):
        tap.check(name not in text, f"{name} in the metrics")
    tap.check(now()["derivd_up"] == 1, "derivd is not up")


@tap.test("who is no monitor gets no counts, and a monitor gets nothing else")
def _():
    refused = metrics("print", uid=NOBODY, check=False)
    tap.check(refused.returncode == 1, "a status of 0")
    tap.contains(refused.stdout, 'derivd_scrape_failure{kind="denied"} 1')
    for words in (("request", "list"), ("device", "list"), ("audit", "show"), ("queue", "retry")):
        tap.equal(kiosk.ctl_error(*words, uid=MONITOR), "denied", " ".join(words))


@tap.test("an enrollment is counted: request, device, credentials, events, time that it took")
def _():
    before = now()
    kiosk.provision(kiosk.device("phone"))
    after = wait_for("the credentials", lambda: (lambda v: v if v['derivd_credentials{state="active"}'] == 3 else None)(now()))

    def grew(name):
        return after[name] - before.get(name, 0)
    tap.equal(grew('derivd_requests{state="verified"}'), 1, "requests")
    tap.equal(grew('derivd_devices{state="enrolled"}'), 1, "devices")
    tap.equal(grew('derivd_events_total{event="certified"}'), 3, "events")
    tap.equal(grew("derivd_issuance_duration_seconds_count"), 3, "certificates")
    tap.equal(grew('derivd_job_duration_seconds_count{kind="verify"}'), 1, "receipts")
    tap.equal(grew('derivd_job_duration_seconds_count{kind="certify"}'), 3, "certify")
    tap.check(after["derivd_issuance_duration_seconds_sum"] > 0, "they took no time")
    tap.check(after["derivd_audit_rows_total"] > before["derivd_audit_rows_total"], "audit rows")
    tap.check(after["derivd_store_size_bytes"] > 0 and after["derivd_store_available_bytes"] > 0, "the store")
    tap.equal(sum(v for k, v in after.items() if k.startswith("derivd_jobs{")), sum(
        1 for _ in kiosk.ctl_json("queue", "list")), "jobs")


@tap.test("when certificates and the CRL end is what openssl says")
def _():
    def end(path):
        text = run("openssl", "x509", "-in", path, "-noout", "-enddate").stdout.strip().partition("=")[2]
        return int(run("date", "-d", text, "+%s").stdout)
    found = now()
    tap.equal(found["derivd_gateway_certificate_expiry_timestamp_seconds"], end(kiosk.at("etc/gateway/gateway.pem")), "gateway")
    tap.check(found["derivd_ca_certificate_expiry_timestamp_seconds"] > time.time(), "CA")
    # The CA is asked once a minute.
    wait_for("the CRL", lambda: now().get("derivd_crl_next_update_timestamp_seconds", 0) > time.time(), timeout=150, every=2)
    tap.check(364 < (now()["derivd_root_crl_next_update_timestamp_seconds"] - time.time()) / 86400 < 366, "the root's CRL")
    tap.check(now()["derivd_crl_this_update_timestamp_seconds"] <= time.time(), "CRL")


@tap.test("the age of the last verified backup")
def _():
    tap.equal(now()["derivd_backup_timestamp_seconds"], 0, "never")
    kiosk.ctl("backup", kiosk.at("backup"), uid=0)
    tap.check(0 <= time.time() - now()["derivd_backup_timestamp_seconds"] < 3600, "just now")


@tap.test("errors are counted by kind, where they were handled")
def _():
    name = 'derivd_errors_total{source="control",kind="no-such-thing"}'
    before = now().get(name, 0)
    kiosk.ctl_error("request", "show", "00ff00ff00ff00ff")
    tap.equal(now()[name] - before, 1, name)


@tap.test("a file for node_exporter is written whole, also when derivd is away; then it says so")
def _():
    os.makedirs(kiosk.at("textfile"))
    os.chown(kiosk.at("textfile"), MONITOR, MONITOR)
    path = kiosk.at("textfile/derivd.prom")
    metrics("write", path)
    with open(path) as f:
        text = f.read()
    run("promtool", "check", "metrics", input=text)
    tap.equal(values(text)["derivd_up"], 1, "up")
    tap.equal(os.stat(path).st_mode & 0o777, 0o644, "mode")
    kiosk.halt()
    try:
        metrics("write", path)
        with open(path) as f:
            text = f.read()
        tap.equal(values(text), {"derivd_up": 0, 'derivd_scrape_failure{kind="unreachable"}': 1}, "samples")
        tap.equal(os.listdir(kiosk.at("textfile")), ["derivd.prom"], "files")
    finally:
        kiosk.start()


@tap.test("the alert rules hold what they promise")
def _():
    run("promtool", "check", "rules", f"{CONTRIB}/alerts.yml")
    run("promtool", "test", "rules", f"{CONTRIB}/alerts_test.yml")


port = free_port()
tap.cleanups.callback(socket_unit(port).end, 20)
URL = f"http://127.0.0.1:{port}/metrics"


@tap.test("over HTTP: OpenMetrics for who accepts it, the older text for others, nothing for what makes no sense")
def _():
    wait_for("the socket", lambda: subprocess.run(["curl", "-sf", URL], capture_output=True).returncode == 0)
    kind, text = get(URL)
    tap.contains(kind, "text/plain; version=0.0.4")
    tap.equal(values(text)["derivd_up"], 1, "up")
    kind, text = get(URL, Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    tap.contains(kind, "application/openmetrics-text; version=1.0.0")
    tap.check(text.endswith("# EOF\n"), "no end")
    for status, words in ((404, [f"http://127.0.0.1:{port}/"]), (405, ["-XPOST", "-dx=y", URL]),
                          (400, ["-H", "X: " + "y" * 9000, URL]), (200, ["-I", URL])):
        done = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *words)
        tap.equal(int(done.stdout), status, " ".join(words)[:40])
    done = subprocess.run(["curl", "-s", "--http0.9", f"telnet://127.0.0.1:{port}"], input=b"\x16\x03\x01\x02\n\n", timeout=20,
                          capture_output=True)
    tap.contains(done.stdout.decode(), "400 Bad Request")


def start_prometheus():
    web = free_port()
    config = kiosk.write("prometheus/prometheus.yml", f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{os.path.realpath(CONTRIB)}/alerts.yml"]
scrape_configs:
  - job_name: derivd
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
    run("promtool", "check", "config", config)
    process = Process.start(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={kiosk.at('prometheus/data')}",
                             f"--web.listen-address=127.0.0.1:{web}"], kiosk.at("log/prometheus.log"), True)
    tap.cleanups.callback(process.end, 20)
    return f"http://127.0.0.1:{web}/api/v1"


API = start_prometheus()


def api(what, **args):
    try:
        body = json.loads(get(f"{API}/{what}?{urllib.parse.urlencode(args)}")[1])
    except urllib.error.HTTPError as e:
        raise KioskError(f"{what} {args}: {e.read().decode()}") from None
    except urllib.error.URLError:
        return None
    return body["data"]


def ask(query):
    data = api("query", query=query)
    return data["result"] if data else []


@tap.test("a Prometheus scrapes it, OpenMetrics as it is, and takes the rules")
def _():
    wait_for("a scrape", lambda: any(r["value"][1] == "1" for r in ask("derivd_up")))
    target = api("targets")["activeTargets"][0]
    tap.equal(target["health"], "up", target["lastError"])
    tap.equal(ask('derivd_credentials{state="active"}')[0]["value"][1], "3", "credentials")
    # Counters and histograms are known as such.
    known = api("metadata")
    tap.equal(known["derivd_starts_total" if "derivd_starts_total" in known else "derivd_starts"][0]["type"], "counter", "type")
    tap.equal(known["derivd_issuance_duration_seconds"][0]["type"], "histogram", "type")
    rules = [r for g in api("rules")["groups"] for r in g["rules"]]
    tap.check(len(rules) >= 15, f"{len(rules)} rules")
    wait_for("the rules' first round", lambda: all(
        r["health"] == "ok" for g in api("rules")["groups"] for r in g["rules"]))


@tap.test("all is well: no alert fires")
def _():
    time.sleep(3)
    firing = [a["labels"]["alertname"] for a in api("alerts")["alerts"] if a["state"] == "firing"]
    # The disk of the machine that runs this test may be fuller than a kiosk's should be.
    tap.equal([a for a in firing if a != "DerivdStoreFull"], [], "alerts")


@tap.test("every question of the dashboard and of the rules is about metrics that there are")
def _():
    with open(f"{CONTRIB}/dashboard.json") as f:
        dashboard = json.load(f)
    expressions = [t["expr"].replace("$instance", ".*") for p in dashboard["panels"] for t in p["targets"]]
    tap.check(len(expressions) > 20, f"{len(expressions)} expressions")
    names = {n for n in api("label/__name__/values") if n.startswith("derivd_")}
    with open(f"{CONTRIB}/alerts.yml") as f:
        texts = expressions + [line for line in f.read().splitlines() if re.search("expr:|derivd_.* [-+*)]", line)]
    for text in texts:
        for name in re.findall(r"\bderivd_[a-z_]+", text):
            tap.check(name in names, f"{name} in {text}")
    # Where something has happened there is an answer; of rates only once there are two scrapes.
    wait_for("answers", lambda: all(ask(e) for e in expressions))


@tap.test("derivd goes away: Prometheus has it as down, and the alert is on its way")
def _():
    kiosk.halt()
    wait_for("derivd_up 0", lambda: any(r["value"][1] == "0" for r in ask("derivd_up")))
    wait_for("the alert", lambda: any(a["labels"]["alertname"] == "DerivdDown" for a in api("alerts")["alerts"]))
    kiosk.start()
    wait_for("derivd_up 1", lambda: any(r["value"][1] == "1" for r in ask("derivd_up")))
    tap.check(now()["derivd_starts_total"] >= 3, "starts")


tap.run()
