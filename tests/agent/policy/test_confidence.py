"""What makes an answer more or less believable."""

from dataclasses import replace

from agent.policy.confidence import Evidence, confidence

GOOD = Evidence(score=0.8, lead=0.3, doubt=0.1, logprob=-0.05, weakest=-0.5, support=0.9)


def test_confidence_is_a_probability_and_rises_with_the_evidence() -> None:
    sure = confidence(GOOD)
    assert 0 < sure < 1
    assert confidence(replace(GOOD, support=0.1, logprob=-1.5, weakest=-6.0)) < sure
    assert confidence(replace(GOOD, doubt=0.6, score=0.3, lead=-0.2)) < sure
