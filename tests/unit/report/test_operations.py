from intact.diagnosis.noise import LayerNoise
from intact.report.operations import operations
from tests.unit.report.conftest import Made


def test_noise_goes_to_the_layer_that_computes_the_value(made: Made) -> None:
    noise = [
        LayerNoise("input", "Quantize", 40.0, 40.0),
        LayerNoise("1", "QConv2d", 30.0, 35.0),
        LayerNoise("2", "QConv2d", 32.0, float("nan")),
        LayerNoise("4", "QLinear", 25.0, 36.0),
    ]
    rows = operations(made.network, noise, {"1": 0.5})
    known = {row.title: row for row in rows if row.sqnr_db is not None}
    assert list(known) == ["input", "0 + 1", "2", "4"]
    assert [row.sqnr_before_db for row in known.values()] == [None, 40.0, 30.0, 32.0]
    assert known["2"].own_sqnr_db is None
    assert known["0 + 1"].seconds == 0.5
    assert (known["4"].bits, known["4"].weight_bits) == (8, 8)
    assert sum(row.macs for row in rows) == made.network.macs
