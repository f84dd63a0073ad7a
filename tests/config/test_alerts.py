"""config/alerts.yaml: rules that Prometheus takes, over figures that msyncd has, and that fire when they should."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "config" / "alerts.yaml"
RULES = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]

STORY = """
rule_files: [alerts.yaml]
evaluation_interval: 1m
tests:
  - interval: 5m
    input_series:
      - {series: 'msyncd_site_last_success_timestamp_seconds{instance="c",site="2",name="Bumban"}', values: '0x1200'}
      - {series: 'msyncd_site_state{instance="c",site="2",name="Bumban",state="paused"}', values: '0x1200'}
      - {series: 'msyncd_site_last_success_timestamp_seconds{instance="c",site="3",name="Kalo"}', values: '0x1200'}
      - {series: 'msyncd_site_state{instance="c",site="3",name="Kalo",state="paused"}', values: '1x1200'}
      - {series: 'msyncd_site_quarantine{instance="c",site="2",name="Bumban"}', values: '0x20 3x1200'}
      - {series: 'msyncd_plugin_failures_total{instance="c",plugin="transfers"}', values: '0x300 1x900'}
    alert_rule_test:
      - {eval_time: 24h, alertname: MsyncdSiteLate, exp_alerts: []}
      - eval_time: 26h
        alertname: MsyncdSiteLate
        exp_alerts: [{exp_labels: {severity: warning, instance: c, site: "2", name: Bumban}}]
      - {eval_time: 70h, alertname: MsyncdSiteSilent, exp_alerts: []}
      - eval_time: 74h
        alertname: MsyncdSiteSilent
        exp_alerts: [{exp_labels: {severity: critical, instance: c, site: "2", name: Bumban}}]
      - {eval_time: 90m, alertname: MsyncdQuarantine, exp_alerts: []}
      - eval_time: 4h
        alertname: MsyncdQuarantine
        exp_alerts: [{exp_labels: {severity: warning, instance: c, site: "2", name: Bumban}}]
      - {eval_time: 24h, alertname: MsyncdPluginFails, exp_alerts: []}
      - eval_time: 25h30m
        alertname: MsyncdPluginFails
        exp_alerts: [{exp_labels: {severity: warning, instance: c, plugin: transfers}}]
"""


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker. Under CI it must be there."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("promtool is not installed (Debian: prometheus)")
    assert found is not None
    return found


def run(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules(promtool: str) -> None:
    assert f"{len(RULES)} rules found" in run(promtool, "check", "rules", str(ALERTS))


def test_they_fire_when_they_should_and_not_before(promtool: str, tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    story = yaml.safe_load(STORY)
    told = {rule["alert"]: rule["annotations"] for rule in RULES}
    for test in story["tests"][0]["alert_rule_test"]:
        for alert in test["exp_alerts"]:
            alert["exp_annotations"] = {
                name: filled(text, alert["exp_labels"]) for name, text in told[test["alertname"]].items()
            }
    (tmp_path / "story.yaml").write_text(yaml.safe_dump(story))
    assert "SUCCESS" in run(promtool, "test", "rules", str(tmp_path / "story.yaml"))


def filled(text: str, labels: dict[str, str]) -> str:
    """An annotation with its labels, and the value of the quarantine above."""
    text = text.replace("{{ $value }}", "3")
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def test_every_rule_says_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_they_use_figures_that_msyncd_has() -> None:
    source = (ROOT / "msyncd" / "console" / "metrics.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(msyncd_\w+)"', source))
    used = {name for rule in RULES for name in re.findall(r"\bmsyncd_\w+", rule["expr"])}
    assert used
    assert {name for name in used if name.removesuffix("_total") not in known} == set()
