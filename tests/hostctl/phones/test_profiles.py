import pytest

from hostctl.phones.profiles import camera_profiles, odd_name, profile_for
from hostctl.virtual.phone_state import KEYS


def test_every_profile_has_sources_keys_and_folders() -> None:
    names = [profile.name for profile in camera_profiles()]
    assert len(set(names)) == len(names) >= 6
    for profile in camera_profiles():
        assert profile.sources
        assert all("http" in source for source in profile.sources)
        assert profile.folders
        assert all(folder.startswith("/sdcard/") for folder in profile.folders)
        assert profile.keys
        assert {key for keys in profile.keys for key in keys.split()} <= set(KEYS)
    assert camera_profiles()[-1].makers == ()


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("Google", "Pixel 7", "pixel"),
        ("Google", "Nexus 5", "android"),
        ("samsung", "SM-G991B", "samsung"),
        ("Xiaomi", "M2101K6G", "xiaomi"),
        ("HONOR", "X", "huawei"),
        ("Kit", "Modern One", "android"),
        ("", "", "android"),
    ],
)
def test_a_phone_finds_its_profile(maker: str, model: str, name: str) -> None:
    assert profile_for({"maker": maker, "model": model}).name == name


def test_names_that_tell_of_series_are_odd() -> None:
    samsung = profile_for({"maker": "samsung"})
    assert odd_name(samsung, "20240102_101112.jpg") == ""
    assert "pair or series" in odd_name(samsung, "20240102_101112_001.jpg")
    assert "not named as expected" in odd_name(samsung, "photo.jpg")
