"""Sounds as signals: what is read, how it is scored, what is written."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsapps.errors import UserError
from wsapps.readers.audio_file import Sound, lower_rate, read_sound
from wsapps.readers.image_file import read_image
from wsapps_signals.kinds.audio import AudioConfig, AudioSignal
from wsapps_signals.kinds.audio_pictures import _envelope, _spectra
from wsapps_signals.samples.audio import SAMPLE_RATE, sample_audio

RATE = 8000


def tone(seconds=0.5, frequency=440.0, amplitude=0.5, rate=RATE):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def saved(path, samples, rate=RATE, subtype=None):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(path, **options):
    return AudioSignal.from_config(AudioConfig(**options), path)


def looked_up(signal):
    """A "field" that looks the signal's own values up."""

    def predict(coordinates):
        places = (coordinates[:, 0].double() / signal.scale + 1) / 2 * (len(signal.values) - 1)
        return signal.values[places.round().long()]

    return predict


def test_amplitudes_are_divided_by_the_largest_and_time_runs_to_100(tmp_path):
    signal = read(saved(tmp_path / "my tone.wav", tone(), subtype="FLOAT"))
    expected = tone().astype(np.float32)
    assert signal.title == "my tone"
    assert signal.grid == (4000,)
    assert (signal.peak, signal.weights, signal.rate) == (1.0, None, RATE)
    assert signal.amplitude == pytest.approx(np.abs(expected).max())
    assert float(signal.values.abs().max()) == 1.0
    np.testing.assert_allclose(signal.values[:, 0] * signal.amplitude, expected, atol=1e-7)
    assert signal.coordinates[[0, -1], 0].tolist() == [-100, 100]
    assert read(tmp_path / "my tone.wav", coordinate_scale=3.0).coordinates[[0, -1], 0].tolist() == [-3, 3]


def test_the_largest_amplitude_may_be_a_negative_one(tmp_path):
    signal = read(saved(tmp_path / "a.wav", np.array([0.1, -0.8, 0.4, 0.0]), subtype="FLOAT"))
    assert signal.values[:, 0].tolist() == pytest.approx([0.125, -1.0, 0.5, 0.0])


def test_channels_stay_apart_unless_mono_is_asked_for(tmp_path):
    both = np.stack([tone(), 0.5 * tone(frequency=300)], axis=1)
    path = saved(tmp_path / "a.wav", both, subtype="FLOAT")
    assert read(path).values.shape == (4000, 2)
    mono = read(path, mono=True)
    np.testing.assert_allclose(mono.values[:, 0] * mono.amplitude, both.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "subtype", "bits"),
    [
        ("a.wav", "PCM_16", 16), ("a.wav", "PCM_U8", 8), ("a.wav", "DOUBLE", 64), ("a.flac", "PCM_24", 24),
        ("a.aiff", "PCM_16", 16), ("a.ogg", "VORBIS", 16), ("a.mp3", "MPEG_LAYER_III", 16),
    ],
)  # fmt: skip
def test_native_bits_are_samples_times_their_bits(tmp_path, name, subtype, bits):
    signal = read(saved(tmp_path / name, np.stack([tone(), tone()], axis=1), subtype=subtype))
    assert signal.native_bits == signal.values.numel() * bits
    assert len(signal.values) == pytest.approx(4000, abs=2400)  # codecs pad


def test_a_part_is_cut_out_in_seconds(tmp_path):
    path = saved(tmp_path / "a.wav", tone(1.0), subtype="FLOAT")
    part = read(path, start=0.25, seconds=0.1)
    np.testing.assert_allclose(part.values[:, 0] * part.amplitude, tone(1.0)[2000:2800], atol=1e-6)
    assert part.seconds == pytest.approx(0.1)
    assert read(path, start=0.75, seconds=9).grid == (2000,)
    assert AudioSignal.from_config(AudioConfig(start=1, seconds=0.5), None).grid == (8000,)
    for where in (path, None):
        with pytest.raises(UserError, match="behind its end"):
            AudioSignal.from_config(AudioConfig(start=5), where)


@given(st.integers(10, 3000), st.integers(8, 3000))
@settings(deadline=None, max_examples=30)
def test_a_lower_rate_keeps_to_the_limit_and_the_duration(count, most):
    lowered = lower_rate(Sound(torch.rand(count, 1), 44_100, 16), most)
    assert len(lowered.samples_NC) <= max(most, 0)
    assert lowered.rate == (44_100 if count <= most else 44_100 * most // count)
    assert abs(len(lowered.samples_NC) / lowered.rate - count / 44_100) <= 1 / lowered.rate


def test_a_lower_rate_keeps_tones_below_its_half_and_drops_the_others():
    low, high = tone(1.0, 300), tone(1.0, 3500)
    sound = Sound(torch.from_numpy(low + high).float()[:, None], RATE, 16)
    lowered = lower_rate(sound, 2000)
    assert lowered.rate == 2000
    inside = slice(100, -100)
    np.testing.assert_allclose(lowered.samples_NC[inside, 0], tone(1.0, 300, rate=2000)[inside], atol=0.01)


def test_what_cannot_be_lowered_is_refused(tmp_path):
    path = saved(tmp_path / "a.wav", np.random.default_rng(0).uniform(-1, 1, 40), rate=10)
    with pytest.raises(UserError, match="1 Hz"):
        read(path, max_points=3)


@pytest.mark.parametrize(
    "options",
    [{"start": -1.0}, {"seconds": 0.0}, {"max_points": 1}, {"coordinate_scale": 0.0}, {"start": math.nan}],
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        AudioConfig(**options)


def test_a_field_that_looks_values_up_is_perfect():
    signal = AudioSignal.from_config(AudioConfig(), None)
    assert signal.scores(looked_up(signal)) == {"psnr": math.inf, "snr": math.inf}


def test_scores_of_known_errors():
    signal = AudioSignal.from_config(AudioConfig(), None)
    exact = looked_up(signal)
    assert signal.scores(lambda t: exact(t) + 0.01)["psnr"] == pytest.approx(40.0, abs=1e-3)
    assert signal.scores(lambda t: exact(t) * 0.9)["snr"] == pytest.approx(20.0, abs=1e-3)
    assert signal.scores(lambda t: exact(t) * 0)["snr"] == pytest.approx(0.0, abs=1e-6)


def test_the_reconstruction_is_as_loud_as_the_signal(tmp_path):
    path = saved(tmp_path / "a.wav", 3 * tone(), subtype="FLOAT")  # beyond full scale
    signal = read(path)
    out = tmp_path / "run"
    out.mkdir()
    figures = signal.write(out, looked_up(signal))
    samples, rate = soundfile.read(out / "reconstruction.wav")
    assert rate == RATE
    np.testing.assert_allclose(samples, 3 * tone(), atol=1e-6)
    assert [figure.path for figure in figures] == ["waveform.png", "close_up.png", "spectrogram.png"]
    assert all(read_image(out / figure.path)[0].std() > 0.01 for figure in figures)
    assert len(list(out.iterdir())) == 4


@pytest.mark.parametrize("samples", [4000, 8000, 1000, 6001, 1])
def test_resampling_gives_the_fields_values_and_keeps_the_duration(tmp_path, samples):
    signal = read(saved(tmp_path / "a.wav", tone(), subtype="FLOAT"))
    [path] = signal.resample(tmp_path, lambda t: torch.sin(t / 7), (samples,))
    written, rate = soundfile.read(path)
    expected = np.sin(np.linspace(-100, 100, samples) / 7) if samples > 1 else np.sin([-100 / 7])
    np.testing.assert_allclose(written, expected * signal.amplitude, atol=1e-5)
    assert rate == round(RATE * samples / 4000)
    assert samples / rate == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("size", [(), (3, 3), (0,), (-4,), (10**12,)])
def test_sizes_that_cannot_be_made_are_one_line(tmp_path, size):
    signal = AudioSignal.from_config(AudioConfig(seconds=0.1), None)
    with pytest.raises(UserError, match="new size"):
        signal.resample(tmp_path, torch.sin, size)
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_diverged_is_not_written(tmp_path):
    signal = AudioSignal.from_config(AudioConfig(seconds=0.1), None)

    def diverged(t):
        return t * math.inf

    assert not signal.scores(diverged)["psnr"] > -math.inf
    for write in (
        lambda: signal.write(tmp_path, diverged),
        lambda: signal.resample(tmp_path, diverged, (9,)),
        lambda: signal.preview(diverged),
    ):
        with pytest.raises(UserError, match="NaN or infinite"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_previews_show_the_sound_and_long_ones_in_part(monkeypatch):
    signal = AudioSignal.from_config(AudioConfig(), None)
    asked = []

    def predict(t):
        asked.append(t)
        return looked_up(signal)(t)

    preview = signal.preview(predict)
    assert preview.shape[2] == 3
    assert 0 <= float(preview.min()) < 0.5 < float(preview.max()) <= 1
    assert torch.equal(torch.cat(asked), signal.coordinates)
    monkeypatch.setattr("wsapps_signals.kinds.audio._PREVIEW_SAMPLES", 1000)
    asked.clear()
    signal.preview(predict)
    loudest = signal.coordinates[int(signal.values.abs().argmax())]
    assert len(asked[0]) == 1000
    assert loudest in asked[0]


def test_pictures_lose_no_peak_and_show_tones_where_they_are():
    samples = torch.zeros(100_001)
    samples[77_777] = 2.0
    low, high = _envelope(samples)
    assert (low.min(), high.max(), len(high)) == (0.0, 2.0, 2000)
    assert int(high.argmax()) == pytest.approx(77_777 / 100_001 * 2000, abs=1)
    spectra = _spectra(torch.from_numpy(tone(2.0, 1000.0)))
    assert (spectra.argmax(axis=1) == 1000 / RATE * 1024).all()
    assert _spectra(torch.rand(10)).shape == (1, 513)


def test_the_sample_is_music_like():
    samples = sample_audio()
    assert samples.shape == (3 * SAMPLE_RATE, 1)
    assert torch.equal(samples, sample_audio())
    assert torch.equal((samples * 32768).round() / 32768, samples)
    assert float(samples.abs().max()) == pytest.approx(0.8, abs=1e-4)
    assert abs(float(samples.mean())) < 0.01
    # The first string alone: harmonics of 110 Hz, of which the higher ones decay sooner.
    power = np.abs(np.fft.rfft(samples[:3200, 0].numpy() * np.hanning(3200))) ** 2  # 5 Hz a bin
    near = [round(110 * k / 5) for k in range(1, 8)]
    harmonic = sum(power[i - 2 : i + 3].sum() for i in near)
    assert harmonic > 0.8 * power[: 110 * 8 // 5].sum()


# Bad input


def refused(path, **options):
    with pytest.raises(UserError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_missing_files_folders_and_empty_files(tmp_path):
    assert "does not exist" in refused(tmp_path / "nothing.wav")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "0 bytes" in refused(tmp_path / "empty.wav")
    assert "no samples" in refused(saved(tmp_path / "none.wav", np.zeros(0)))


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.raw", "a"])
def test_text_is_no_sound(tmp_path, name):
    (tmp_path / name).write_text("This is not a sound.\n" * 50)
    assert "cannot be read as sound" in refused(tmp_path / name)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.ogg"])
def test_truncated_files_are_refused(tmp_path, name):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20_000)
    data = saved(tmp_path / name, noise).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    message = refused(tmp_path / name)
    assert "cut short" in message or "cannot be read as sound" in message


def test_a_stream_of_unknown_length_is_read(tmp_path):
    data = bytearray(saved(tmp_path / "a.wav", tone()).read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # as ffmpeg writes into a pipe
    (tmp_path / "a.wav").write_bytes(bytes(data))
    assert read(tmp_path / "a.wav").grid == (4000,)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_constant_sounds_are_refused_with_their_value(tmp_path, value):
    message = refused(saved(tmp_path / "flat.wav", np.full(100, value), subtype="FLOAT"))
    assert f"the value {value:g} in all samples" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_finite_are_counted(tmp_path, value):
    samples = tone()
    samples[[5, 7]] = value
    assert "2 of 4,000" in refused(saved(tmp_path / "a.wav", samples, subtype="DOUBLE"))


def test_one_sample_is_too_few(tmp_path):
    assert "2 at least" in refused(saved(tmp_path / "a.wav", np.array([0.5])))
    assert "2 at least" in refused(saved(tmp_path / "b.wav", tone()), seconds=1e-9)


def test_sounds_too_long_to_hold_are_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.wav", tone())
    monkeypatch.setattr("wsapps.readers.audio_file.MOST_VALUES", 3999)
    assert "signal.seconds=" in refused(path)
    assert read(path, seconds=0.1).grid == (800,)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["WAV", "AIFF", "FLAC"]),
    cut=st.integers(1, 700),
    place=st.integers(0, 699),
    byte=st.integers(0, 255),
)
def test_broken_files_are_read_or_refused_in_one_line(tmp_path, kind, cut, place, byte):
    stream = io.BytesIO()
    soundfile.write(stream, tone(0.03), RATE, format=kind)
    data = bytearray(stream.getvalue())
    data[place % len(data)] = byte
    path = tmp_path / "a.sound"
    path.write_bytes(bytes(data[:cut]))
    message = ""
    try:
        sound = read_sound(path)
    except UserError as error:
        message = str(error)
    else:
        assert sound.samples_NC.dtype == torch.float32
        assert min(len(sound.samples_NC), sound.rate) > 0
    assert "\n" not in message
