"""The lean cross-entropy is the plain one."""

import torch

from loupe.models.pixel_recursive import nats
from training.cross_entropy import mean_nats


def test_value_and_gradient_are_those_of_the_plain_one() -> None:
    torch.manual_seed(0)
    logits = (5 * torch.randn(2, 3, 256, 4, 5)).requires_grad_()
    hr = torch.randint(256, (2, 3, 4, 5)) / 255
    (2 * mean_nats(logits, hr)).backward()  # type: ignore[no-untyped-call]
    ours, logits.grad = logits.grad, None
    plain = nats(logits, hr).mean()
    (2 * plain).backward()  # type: ignore[no-untyped-call]
    assert ours is not None
    torch.testing.assert_close(mean_nats(logits, hr), plain)
    torch.testing.assert_close(ours, logits.grad)
    assert mean_nats(logits.bfloat16(), hr).isfinite()
