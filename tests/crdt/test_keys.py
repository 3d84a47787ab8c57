"""Ciphers at their edges: keys under which anything would verify, labels, secrets that must not be shown."""

import pytest

from crdt import keys
from crdt.errors import PeerFault

# Points of small order on Ed25519, and encodings of them that are not the canonical one. Under the identity point some
# libraries verify any signature that is the identity point and a zero.
SMALL_ORDER = [
    bytes([1]) + bytes(31),
    bytes(32),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]
SIGNER = keys.SigningKey.from_seed(b"s" * 32)
HOLDER = keys.AgreementKey.from_secret(b"h" * 32)


@pytest.mark.parametrize("public", SMALL_ORDER, ids=lambda key: key.hex()[:8])
def test_a_key_of_small_order_verifies_nothing(public: bytes) -> None:
    for point in SMALL_ORDER:
        assert not keys.verify(public, "envelope", b"anything", point + bytes(32))


def test_a_signature_is_for_its_label_and_its_message_alone() -> None:
    signature = SIGNER.sign("envelope", b"message")
    assert keys.verify(SIGNER.public, "envelope", b"message", signature)
    assert not keys.verify(SIGNER.public, "envelope", b"massage", signature)
    assert not keys.verify(SIGNER.public, "transfer", b"message", signature)
    assert not keys.verify(SIGNER.public, "envelop", b"e\x00message", signature)


def test_a_signature_with_its_scalar_raised_by_the_order_is_refused() -> None:
    """Else one envelope could have two signatures, and a copy would look like another."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = SIGNER.sign("envelope", b"message")
    raised = int.from_bytes(signature[32:], "little") + order
    assert not keys.verify(SIGNER.public, "envelope", b"message", signature[:32] + raised.to_bytes(32, "little"))


@pytest.mark.parametrize("public, signature", [(b"", bytes(64)), (SIGNER.public, b""), (SIGNER.public, bytes(65))])
def test_keys_and_signatures_of_another_size_verify_nothing(public: bytes, signature: bytes) -> None:
    assert not keys.verify(public, "envelope", b"message", signature)


def test_what_is_wrapped_to_somebody_else_or_damaged_does_not_open() -> None:
    wrapped = keys.wrap(HOLDER.public, b"k" * 32)
    assert HOLDER.unwrap(wrapped) == b"k" * 32
    assert keys.AgreementKey.from_secret(b"x" * 32).unwrap(wrapped) is None
    assert HOLDER.unwrap(wrapped[:-1]) is None
    assert HOLDER.unwrap(bytes(len(wrapped))) is None


def test_a_seal_opens_with_the_same_key_nonce_and_bound_data_alone() -> None:
    sealed = keys.seal(b"k" * 32, b"n" * 24, b"text", b"bound")
    assert keys.unseal(b"k" * 32, b"n" * 24, sealed, b"bound") == b"text"
    for key, nonce, data, bound in (
        (b"x" * 32, b"n" * 24, sealed, b"bound"),
        (b"k" * 32, b"x" * 24, sealed, b"bound"),
        (b"k" * 32, b"n" * 24, sealed, b"other"),
        (b"k" * 32, b"n" * 24, sealed[:-1], b"bound"),
        (b"k" * 32, b"n" * 24, b"", b"bound"),
        (b"k" * 32, b"n" * 3, sealed, b"bound"),
    ):
        with pytest.raises(PeerFault, match="bad seal"):
            keys.unseal(key, nonce, data, bound)


def test_no_two_lists_of_parts_hash_alike() -> None:
    lists = [(), (b"",), (b"", b""), (b"ab",), (b"a", b"b"), (b"b", b"a")]
    assert len({keys.digest("epoch", *parts) for parts in lists}) == len(lists)
    assert len({keys.derive(b"s" * 32, "epoch", *parts) for parts in lists}) == len(lists)


def test_a_repr_shows_no_secret() -> None:
    for key, secret in ((SIGNER, b"s" * 32), (HOLDER, b"h" * 32)):
        assert secret.hex() not in repr(key) and repr(secret) not in repr(key)
        assert key.public.hex()[:16] in repr(key)
