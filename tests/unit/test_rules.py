"""The first rule that matches decides, and a rule that matches nothing is an error."""

import pytest

from intact.rules import Rule, select

_NAMES = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"]


def test_the_first_rule_that_matches_decides():
    fine, coarse = Rule(match="layer1.*", weight=4), Rule(weight=8)
    assert select([fine, coarse], _NAMES) == {
        "conv1": coarse,
        "layer1.0.conv1": fine,
        "layer1.0.conv2": fine,
        "fc": coarse,
    }


def test_a_name_that_no_rule_matches_is_absent():
    rule = Rule(match="f?", weight=8)
    assert select([rule], _NAMES) == {"fc": rule}


def test_matching_tells_upper_from_lower_case():
    with pytest.raises(ValueError, match='"FC"'):
        select([Rule(match="FC")], _NAMES)


def test_a_rule_that_matches_nothing_names_the_nearest():
    with pytest.raises(ValueError, match=r'"layer1\.0\.conv3".*nearest.*layer1\.0\.conv2'):
        select([Rule(match="layer1.0.conv3"), Rule()], _NAMES)


def test_a_rule_behind_another_that_matches_the_same_is_no_error():
    first, second = Rule(match="fc", weight=4), Rule(match="f*", weight=8)
    assert select([first, second], _NAMES)["fc"] is first


def test_the_default_rule_matches_even_nothing():
    assert select([Rule()], []) == {}
