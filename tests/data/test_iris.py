import torch

from nanoneurons import data


def test_iris_is_the_published_set_and_gives_centimetres_back():
    iris = data.load("iris")
    assert torch.cat([iris.y_train, iris.y_test]).bincount().tolist() == [50, 50, 50]
    assert iris.y_test.bincount().tolist() == [10, 10, 10]
    cm = iris.scale.to_measured(torch.cat([iris.x_train, iris.x_test]))
    # Means published with the set, to its two digits; values have one decimal and float32 keeps seven.
    assert [round(v, 2) for v in cm.mean(0).tolist()] == [5.84, 3.06, 3.76, 1.2]
    assert float((10 * cm - (10 * cm).round()).abs().max()) < 1e-5
    assert iris.scale.unit == "cm"
    assert torch.equal(iris.scale.to_inputs(iris.scale.to_measured(iris.x_test)), iris.x_test)
