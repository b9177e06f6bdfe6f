"""Images with channels last, which TFLite's operators read, of values with channels first."""

from intact.emit.tflite.ledger import Ledger
from intact.ir.graph import Node, Shape, Value, free_name
from intact.ir.int_ops import IntOp


def image_shape(shape: Shape) -> Shape:
    """(N, C, L) as (N, 1, L, C), (N, C, H, W) as (N, H, W, C)."""
    batch, channels, *space = shape
    return (batch, *(1,) * (2 - len(space)), *space, channels)


def image_axes(rank: int) -> tuple[int, ...]:
    """Axis i of a value is this axis of its image."""
    return (0, 3, *range(5 - rank, 3))


def image(ledger: Ledger, value: Value) -> Value:
    """The value as an image, by a TRANSPOSE if no operator has written it so."""
    if value.name not in ledger.images:
        source = ledger.read(value)
        made = new_image(ledger, value)
        batch, channels, *space = value.shape
        rank = len(value.shape)
        target = ledger.write(made, (batch, *space, channels))
        ledger.transpose(source, (0, *range(2, rank), 1), target)
    return ledger.images[value.name]


def new_image(ledger: Ledger, value: Value) -> Value:
    """The image of a value that an operator will write."""
    name = free_name(f"{value.name}.nhwc", ledger.writer.names)
    made = Value(name, image_shape(value.shape), value.dtype, value.params)
    ledger.writer.names.add(name)
    ledger.images[value.name] = made
    return made


def is_image(ledger: Ledger, value: Value) -> bool:
    """Whether the value exists as an image alone."""
    return value.name in ledger.images and not ledger.holds(value)


def on_images(ledger: Ledger, node: Node[IntOp], op: IntOp) -> Node[IntOp]:
    """The node with another operation, from the image of its input to that of its output."""
    return Node(op, (image(ledger, node.inputs[0]),), new_image(ledger, node.output))
