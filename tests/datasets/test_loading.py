import pytest
import torch
from torch.utils.data import Dataset

from plp.datasets import EpochSampler, ImageDataset, View, build_loader
from plp.errors import ConfigError, DataError
from plp.transforms import FewShotTrain


class Numbers(Dataset):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, which):
        return {"indices": which.item, "views": which.view}


def indices(views):
    return [view.item for view in views]


class TestEpochSampler:
    def test_the_order_is_a_function_of_seed_and_epoch(self):
        def order(seed, epoch):
            sampler = EpochSampler(50, seed=seed, shuffle=True)
            sampler.set_epoch(epoch)
            return list(sampler)

        assert order(1, 3) == order(1, 3)
        orders = {tuple(indices(order(seed, epoch))) for seed in (0, 1) for epoch in (0, 1, 2)}
        assert len(orders) == 6
        assert all(sorted(places) == list(range(50)) for places in orders)

    def test_the_global_generator_is_left_alone(self):
        torch.manual_seed(2)
        expected = torch.rand(2)
        torch.manual_seed(2)
        list(EpochSampler(10, seed=1, shuffle=True))
        assert torch.equal(torch.rand(2), expected)

    def test_without_shuffling_the_list_s_order(self):
        assert list(EpochSampler(3, seed=9, shuffle=False, views=1)) == [
            View(i, 0) for i in range(3)
        ]

    @pytest.mark.parametrize(
        ("views", "expected"), [("epoch", [0, 1, 2, 3, 4]), (1, [0] * 5), (3, [0, 1, 2, 0, 1])]
    )
    def test_views(self, views, expected):
        sampler = EpochSampler(2, seed=0, shuffle=True, views=views)
        seen = []
        for epoch in range(5):
            sampler.set_epoch(epoch)
            (view,) = {which.view for which in sampler}
            seen.append(view)
        assert seen == expected

    @pytest.mark.parametrize("views", [0, -1, True])
    def test_wrong_views(self, views):
        with pytest.raises(ConfigError, match="views to be an integer >= 1 or 'epoch'"):
            EpochSampler(2, seed=0, shuffle=True, views=views)

    @pytest.mark.parametrize("length", [1, 2, 7, 8, 9])
    @pytest.mark.parametrize("world_size", [1, 2, 4])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_processes_share_one_order(self, length, world_size, shuffle):
        parts = [
            indices(EpochSampler(length, 5, shuffle, rank=rank, world_size=world_size))
            for rank in range(world_size)
        ]
        assert {len(part) for part in parts} == {-(-length // world_size)}
        # mmengine's evaluator interleaves what the processes bring and cuts at the length.
        merged = [index for step in zip(*parts, strict=True) for index in step]
        assert merged[:length] == indices(EpochSampler(length, 5, shuffle, rank=0, world_size=1))
        assert set(merged[length:]) <= set(range(length))


class TestBuildLoader:
    def test_every_image_once_an_epoch(self):
        loader, notes = build_loader(Numbers(23), 4, shuffle=True, seed=1)
        assert notes == ()
        assert len(loader) == 6
        seen = torch.cat([batch["indices"] for batch in loader])
        assert sorted(seen.tolist()) == list(range(23))

    def test_mmengine_s_hook_finds_the_sampler(self):
        loader, _ = build_loader(Numbers(23), 4, shuffle=True)
        loader.sampler.set_epoch(6)
        assert next(iter(loader))["views"].tolist() == [6] * 4

    def test_drop_last(self):
        loader, _ = build_loader(Numbers(23), 4, shuffle=True, drop_last=True)
        assert [len(batch["indices"]) for batch in loader] == [4] * 5

    @pytest.mark.filterwarnings("ignore:fewer than 5 steps")
    def test_a_batch_larger_than_the_data_is_cut_down(self):
        with pytest.warns(UserWarning, match=r"batch size 128 is larger.*cut down to 80"):
            loader, notes = build_loader(Numbers(80), 128, shuffle=True, drop_last=True)
        assert [len(batch["indices"]) for batch in loader] == [80]
        assert len(notes) == 2

    def test_few_steps_are_warned_about_in_training_only(self):
        with pytest.warns(UserWarning, match="fewer than 5 steps per epoch: 2"):
            _, notes = build_loader(Numbers(48), 20, shuffle=True, drop_last=True)
        assert len(notes) == 1
        assert build_loader(Numbers(48), 20, shuffle=False).notes == ()
        assert build_loader(Numbers(48), 10, shuffle=True).notes == ()

    @pytest.mark.filterwarnings("ignore:fewer than 5 steps")
    def test_the_share_of_a_process_counts(self):
        with pytest.warns(UserWarning, match="cut down to 24"):
            build_loader(Numbers(48), 32, shuffle=True, rank=1, world_size=2)

    def test_the_global_generator_is_left_alone(self):
        loader, _ = build_loader(Numbers(40), 4, shuffle=True)
        torch.manual_seed(2)
        expected = torch.rand(2)
        torch.manual_seed(2)
        list(loader)
        assert torch.equal(torch.rand(2), expected)

    def test_wrong_settings(self):
        with pytest.raises(ConfigError, match=r"batch_size to be an integer >= 1, got 0"):
            build_loader(Numbers(4), 0, shuffle=True)
        with pytest.raises(ConfigError, match="num_workers to be an integer >= 0, got -1"):
            build_loader(Numbers(4), 4, shuffle=True, num_workers=-1)
        with pytest.raises(DataError, match="empty list"):
            build_loader(Numbers(0), 4, shuffle=True)


@pytest.fixture
def pictures(noise_items, tmp_path):
    return ImageDataset(noise_items, tmp_path, FewShotTrain(16), seed=3)


def epochs(dataset, first, last, **keywords):
    loader, _ = build_loader(dataset, 2, shuffle=True, seed=8, **keywords)
    batches = []
    for epoch in range(first, last):
        loader.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def assert_same_batches(batches, expected):
    assert len(batches) == len(expected)
    for batch, other in zip(batches, expected, strict=True):
        assert batch.keys() == other.keys() == {"images", "labels", "indices"}
        for key in batch:
            assert torch.equal(batch[key], other[key])


def test_a_resumed_run_sees_the_same_batches(pictures):
    unbroken = epochs(pictures, 0, 4)
    assert_same_batches(epochs(pictures, 2, 4), unbroken[10:])
    assert not torch.equal(unbroken[0]["images"], unbroken[5]["images"])


def test_workers_change_nothing(pictures):
    assert_same_batches(epochs(pictures, 1, 3, num_workers=2), epochs(pictures, 1, 3))


def test_batches_are_tensors(pictures):
    (batch, *_) = epochs(pictures, 0, 1)
    assert (batch["images"].shape, batch["images"].dtype) == ((2, 3, 16, 16), torch.uint8)
    assert batch["labels"].dtype == batch["indices"].dtype == torch.int64
    assert torch.equal(batch["labels"], batch["indices"] % 2)
