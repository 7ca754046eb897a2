"""Keyed hashes are the same for ever: every published split and shard hangs on them."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.hashing import HASH_BITS, keyed_hash


def test_hashes_are_those_of_keyed_blake2b():
    # python -c "import hashlib; print(hashlib.blake2b(b'0704.0001', digest_size=8, key=b'split 0').hexdigest())"
    assert keyed_hash('0704.0001', 'split 0') == 0x803B828D5C345901 >> 2
    assert keyed_hash('0704.0001', 'split 1') == 0x57D8FBB3603D3947 >> 2
    assert keyed_hash('0704.0001', 'shard') == 0x62E2E123D14CD52D >> 2
    assert keyed_hash('Schrödinger 🎉', 'shard') == 0xAF0014DF8F932AC8 >> 2
    assert keyed_hash('', 'shard') == 0x4552427A227A2F32 >> 2


@given(text=st.text(st.characters(codec='utf-8')), key=st.text(st.characters(codec='ascii'), min_size=1, max_size=64))
def test_hashes_fit_a_signed_integer_with_room_for_a_bound_above_all(text, key):
    assert 0 <= keyed_hash(text, key) < 1 << HASH_BITS == 1 << 62


def test_hashes_are_spread_evenly_and_each_key_has_its_own():
    hashes = {key: [keyed_hash(str(number), key) for number in range(10_000)] for key in ('a', 'b')}
    for values in hashes.values():
        tenths = [sum(value * 10 >> HASH_BITS == tenth for value in values) for tenth in range(10)]
        assert all(900 < count < 1100 for count in tenths)
    both_low = sum(a >> 61 == b >> 61 == 0 for a, b in zip(*hashes.values(), strict=True))
    assert 2400 < both_low < 2600
