"""The stages of the cell as a person follows them: which topic shows that a stage lives, at what rate and age."""

VITAL_STAGES = {
    "simulator": "sim/state",
    "camera": "camera/front/color/image_raw",
    "wrist": "camera/wrist/color/image_raw",
    "arm": "arm/state",
    "perception": "perception/depth_tokens",
    "controller": "control/command",
    "supervisor": "safety/status",
}
STAGES = {
    **VITAL_STAGES,
    "reasoning": "reasoning/plan",
    "commands": "safety/command",
    "overlay": "overlay/image",
}


def alive(observer, topic: str) -> bool:
    """Whether messages arrive on a watched topic: two of them make a rate."""
    return observer.meters[topic].count >= 2


def table(observer) -> str:
    """One line per stage: topic, mean rate, median and 99th percentile of the age of its stamps when they arrive."""
    lines = [f"  {'stage':<12}{'topic':<34}{'rate':>9}{'age p50':>12}{'p99':>9}"]
    for stage, topic in STAGES.items():
        meter = observer.meters[topic]
        rate = f"{meter.mean_hz:6.1f} Hz" if meter.count > 1 else "silent"
        ages = (meter.age_ms(50), meter.age_ms(99))
        age = "{:9.0f} ms{:6.0f} ms".format(*ages) if ages[0] == ages[0] else ""
        lines.append(f"  {stage:<12}{topic:<34}{rate:>9}{age}")
    return "\n".join(lines)
