"""Networks made on the spot: for tests, for the demo, and for finding what breaks.

- `write_tflite` turns a `ModelDescription`, plain data, into the bytes of a .tflite file.
- `random_network` and `single_op_networks` make valid int8 networks, extreme on purpose.
- `keyword_model` makes a keyword-spotting network with random weights for ``make demo``;
  `streaming_keyword_model` and `lstm_model` make networks that keep state from run to run.

This room knows nothing of the compiler: it stands on the outside, with the files.
"""

from midge.synthetic.choices import Draw
from midge.synthetic.keyword_model import keyword_model
from midge.synthetic.model_description import ModelDescription
from midge.synthetic.random_network import OPERATORS, SPINE, random_network
from midge.synthetic.single_op_networks import single_op_networks
from midge.synthetic.streaming_models import lstm_model, streaming_keyword_model
from midge.synthetic.synthetic_network import SyntheticNetwork
from midge.synthetic.tflite_writer import write_tflite

__all__ = [
    "OPERATORS",
    "SPINE",
    "Draw",
    "ModelDescription",
    "SyntheticNetwork",
    "keyword_model",
    "lstm_model",
    "random_network",
    "single_op_networks",
    "streaming_keyword_model",
    "write_tflite",
]
