"""The configuration of the kernels that are built here, and the digest that is in their names."""

from __future__ import annotations

from scxlife.platform.vm import kernel_config


def test_the_digest_changes_with_the_options_and_not_with_comments_or_order() -> None:
    one = kernel_config.digest("# why\nCONFIG_A=y\nCONFIG_B=16\n")
    assert kernel_config.digest("CONFIG_B=16\n\nCONFIG_A=y\n") == one
    assert kernel_config.digest("CONFIG_A=y\nCONFIG_B=17\n") != one
    # The two ways to say that an option is off.
    off = kernel_config.digest("CONFIG_A=n\n")
    assert kernel_config.digest("# CONFIG_A is not set\n") == off


def test_no_option_of_the_shipped_configuration_is_said_twice() -> None:
    lines = [line for line in kernel_config.shipped().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(kernel_config.options("\n".join(lines)))


def test_what_a_source_made_something_else_of_is_lost() -> None:
    fragment = "CONFIG_A=y\nCONFIG_B=16\n# CONFIG_C is not set\nCONFIG_D=y\nCONFIG_E=n\n"
    config = "CONFIG_A=y\nCONFIG_B=17\nCONFIG_C=y\n"
    assert kernel_config.lost(fragment, config) == ["CONFIG_B", "CONFIG_D", "CONFIG_C"]
