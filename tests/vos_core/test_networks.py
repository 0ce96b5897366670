"""One contract for every registered network, and what is particular to each."""

import functools

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import ConfigError
from vos_core.networks import (
    FREE,
    DeepLabV2VGG16,
    MaskRefiner,
    build_network,
    deeplab_vgg,
    list_networks,
    timm_encoder,
)
from vos_core.networks.normalise import network_input


@functools.cache
def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_network(name)


def inputs(size: tuple[int, int], batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, *size, generator=generator)
    return image, (torch.rand(batch, 1, *size, generator=generator) > 0.5).float()


every_network = pytest.mark.parametrize("name", list_networks())


@every_network
@pytest.mark.parametrize("size", [(65, 97), (48, 33)])
def test_answer_is_finite_and_of_the_right_size(name: str, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = network(name).eval()(*inputs(size))
    assert logits.shape == (1, 1, *size)
    assert logits.isfinite().all()
    assert logits.std() > 0


@every_network
def test_every_parameter_gets_a_gradient(name: str) -> None:
    net = network(name).train()
    net(*inputs((33, 41), batch=2)).square().mean().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
    net.zero_grad()


@every_network
def test_state_dict_round_trip(name: str) -> None:
    old, new = network(name).eval(), build_network(name).eval()
    given = inputs((33, 41))
    with torch.no_grad():
        assert not torch.equal(old(*given), new(*given))
        new.load_state_dict(old.state_dict())
        torch.testing.assert_close(old(*given), new(*given))


@every_network
def test_clips_in_a_batch_do_not_mix(name: str) -> None:
    net = network(name).eval()
    image, mask = inputs((33, 41), batch=2)
    with torch.no_grad():
        together = net(image, mask)
        alone = torch.cat([net(image[i : i + 1], mask[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)


@every_network
def test_several_objects_are_answered_for_at_once(name: str) -> None:
    torch.manual_seed(0)
    net = build_network(name, cues=2, slots=3).eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 5, 33, 41, generator=generator)
    masks = (torch.rand(2, 3, 33, 41, generator=generator) > 0.5).float()
    with torch.no_grad():
        answer = net(image, masks)
        assert answer.shape == (2, 3, 33, 41)
        assert answer.std(dim=(0, 2, 3)).min() > 0
        # an object that is lost keeps its slot, but what no object has is silent
        lost, free = masks.clone(), masks.clone()
        lost[0, 1], free[0, 1] = 0, FREE
        assert net(image, free)[0, 1].max() < -99
        assert net(image, lost)[0, 1].max() > -99
        torch.testing.assert_close(net(image, free)[:, 2], net(image, lost)[:, 2])
        torch.testing.assert_close(net(image, free)[1], answer[1], atol=1e-4, rtol=1e-3)
    net.train()
    net(image, free).square().clamp(max=99).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_unknown_network_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mask_refiner'"):
        build_network("mask_refinr")
    with pytest.raises(ConfigError, match="Did you mean 'width'"):
        build_network("mask_refiner", widht=3)


def test_a_class_from_elsewhere_is_found_by_its_dotted_path() -> None:
    built = build_network("torch.nn.Conv2d", in_channels=4, out_channels=1, kernel_size=3)
    assert isinstance(built, nn.Conv2d)
    with pytest.raises(ConfigError, match=r"cannot be imported: No module named 'mynets'"):
        build_network("mynets.Small")
    with pytest.raises(ConfigError, match=r"cannot be imported: .*'Conv4d'"):
        build_network("torch.nn.Conv4d")
    # a checkpoint may name anything
    with pytest.raises(ConfigError, match=r"'os\.system' is no class of torch\.nn\.Module"):
        build_network("os.system", command="true")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 9}, "'resnet10t' has no stage 8"),
        ({"depth": 1}, "depth is 1 and width 32; give 2 or more"),
        ({"width": 1}, "depth is 4 and width 1; give 2 or more"),
        ({"encoder": "vit_tiny_patch16_224"}, "takes any size, such as 'resnet18'"),
    ],
)
def test_a_refiner_that_cannot_work_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_network("mask_refiner", **{"encoder": "resnet10t", **options})


def test_network_input_normalises_and_centres_the_mask() -> None:
    image = torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    mask = torch.tensor([[0.0, 1.0], [0.5, 0.25]])[None, None]
    x = network_input(image, mask)
    assert x.shape == (1, 4, 2, 2)
    torch.testing.assert_close(x[0, :3, 0, 0], torch.tensor([0.0, 1.0, -1.0]))
    torch.testing.assert_close(x[0, 3], torch.tensor([[-1.0, 1.0], [0.0, -0.5]]))


class TestMaskRefiner:
    def test_the_mask_reaches_the_stem_but_not_the_encoder_at_first(self) -> None:
        torch.manual_seed(0)
        net = MaskRefiner().eval()
        image, mask = inputs((64, 64))
        with torch.no_grad():
            with_mask, without = (
                net.encoder(network_input(image, m)) for m in (mask, torch.zeros_like(mask))
            )
            for a, b in zip(with_mask, without, strict=True):
                torch.testing.assert_close(a, b)
            assert not torch.equal(net(image, mask), net(image, torch.zeros_like(mask)))

    def test_the_encoder_learns_to_see_the_mask(self) -> None:
        net = MaskRefiner(depth=2)
        net(*inputs((33, 41), batch=2)).square().mean().backward()
        assert net.encoder.conv1.weight.grad[:, 3].abs().max() > 0

    @pytest.mark.parametrize("depth", [2, 5])
    def test_another_encoder_and_depth(self, depth: int) -> None:
        net = MaskRefiner("mobilenetv3_small_050", depth=depth, width=16).eval()
        with torch.no_grad():
            logits = net(*inputs((65, 97)))
        assert logits.shape == (1, 1, 65, 97)
        assert logits.isfinite().all()

    def test_unknown_encoder_is_refused_with_a_suggestion(self) -> None:
        with pytest.raises(ConfigError, match="resnet18"):
            MaskRefiner("resnet1 8")

    def test_a_pretrained_encoder_answers_to_the_image_as_pretrained(
        self, tmp_path: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch.manual_seed(0)
        original = timm.create_model("resnet18", pretrained=False)
        path = f"{tmp_path}/weights.pth"
        torch.save(original.state_dict(), path)
        # timm's own loader runs, on a local file
        local = functools.partial(timm.create_model, pretrained_cfg_overlay={"file": path})
        monkeypatch.setattr(timm_encoder.timm, "create_model", local)
        encoder = MaskRefiner("resnet18", pretrained=True, depth=2).encoder
        image, mask = inputs((64, 64))
        x = network_input(image, mask)
        weight = original.conv1.weight
        torch.testing.assert_close(encoder.conv1.weight[:, :3], weight)
        assert (encoder.conv1.weight[:, 3] == 0).all()
        torch.testing.assert_close(encoder.conv1(x), original.conv1(x[:, :3]))

    def test_random_weights_are_not_rescaled(self) -> None:
        torch.manual_seed(0)
        plain = timm.create_model("resnet18", features_only=True, in_chans=4, out_indices=(0, 1))
        torch.manual_seed(0)
        net = MaskRefiner("resnet18", depth=2)
        torch.testing.assert_close(net.encoder.conv1.weight[:, :3], plain.conv1.weight[:, :3])

    def test_unreachable_weights_warn_and_start_from_random_ones(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create = timm.create_model

        def offline(name: str, pretrained: bool, **options: object) -> nn.Module:
            if pretrained:
                raise OSError("no route to host")
            return create(name, pretrained=False, **options)

        monkeypatch.setattr(timm_encoder.timm, "create_model", offline)
        torch.manual_seed(0)
        with pytest.warns(UserWarning, match="no route to host"):
            net = MaskRefiner("resnet18", pretrained=True, depth=2)
        torch.manual_seed(0)
        random = MaskRefiner("resnet18", pretrained=False, depth=2)
        torch.testing.assert_close(net.encoder.conv1.weight, random.encoder.conv1.weight)


class TestDeepLab:
    def test_the_answer_does_not_depend_on_the_mask_at_first(self) -> None:
        net = network("deeplabv2_vgg16").eval()
        image, mask = inputs((33, 41))
        with torch.no_grad():
            torch.testing.assert_close(net(image, mask), net(image, torch.zeros_like(mask)))

    @pytest.mark.parametrize("size", [(64, 96), (65, 97), (70, 103)])
    def test_features_are_upsampled_to_where_they_were_taken(self, size: tuple[int, int]) -> None:
        net = network("deeplabv2_vgg16")
        spot = torch.zeros(1, 3, *size)
        spot[..., 40, 48] = 1
        cells = F.max_pool2d(spot, 1, stride=8)  # cell (5, 6) is the spot

        class Stub(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                rows, columns = ((side - 1) // 8 + 1 for side in x.shape[-2:])
                peak = torch.zeros(1, 2, rows, columns)
                peak[:, 1, : cells.shape[-2], : cells.shape[-1]] = cells[:, 0]
                return peak

        stubbed = DeepLabV2VGG16.__new__(DeepLabV2VGG16)
        nn.Module.__init__(stubbed)
        stubbed.backbone, stubbed.pyramid = Stub(), nn.Identity()
        logits = stubbed(spot, spot[:, :1])[0, 0]
        assert logits.shape == size
        assert divmod(int(logits.argmax()), size[1]) == (40, 48)
        assert logits[40, 48] == pytest.approx(1)
        assert logits[44, 48] == pytest.approx(0.5)
        assert logits[40, 56] == pytest.approx(0, abs=1e-6)
        with torch.no_grad():  # the stub has the real backbone's number of cells
            features = net.backbone(torch.zeros(1, 4, 65, 97))
        assert features.shape[-2:] == (9, 13)

    def test_imagenet_weights_go_to_the_same_layers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        positions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's vgg16
        convolutions = [m for m in network("deeplabv2_vgg16").backbone if isinstance(m, nn.Conv2d)]
        generator = torch.Generator().manual_seed(3)
        weights = {}
        for index, (position, layer) in enumerate(zip(positions, convolutions, strict=True)):
            shape = (64, 3, 3, 3) if index == 0 else layer.weight.shape
            weights[f"features.{position}.weight"] = torch.rand(shape, generator=generator)
            weights[f"features.{position}.bias"] = torch.rand(len(layer.bias), generator=generator)
        monkeypatch.setattr(deeplab_vgg, "_imagenet_weights", lambda: weights)
        backbone = DeepLabV2VGG16(pretrained=True).backbone
        loaded = [m for m in backbone if isinstance(m, nn.Conv2d)]
        for position, layer in zip(positions, loaded, strict=True):
            expected = weights[f"features.{position}.weight"]
            assert torch.equal(layer.weight[:, : expected.shape[1]], expected)
            assert torch.equal(layer.bias, weights[f"features.{position}.bias"])
        assert (loaded[0].weight[:, 3] == 0).all()


class TestDeepLabOnOtherEncoders:
    def test_features_are_of_stride_8(self) -> None:
        net = network("deeplabv2").eval()
        with torch.no_grad():
            features = timm_encoder.feature_maps(net.encoder, torch.zeros(1, 4, 65, 97))[-1]
        assert features.shape[-2:] == (9, 13)
        assert len(net.pyramid.branches) == 4

    def test_an_encoder_that_cannot_be_dilated_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="cannot dilate 'vit_tiny_patch16_224'"):
            build_network("deeplabv2", encoder="vit_tiny_patch16_224")

    def test_an_encoder_of_patches_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="'convnext_atto' are not centred"):
            build_network("deeplabv2", encoder="convnext_atto")

    def test_looking_at_an_encoder_leaves_its_statistics_alone(self) -> None:
        net = build_network("deeplabv2")
        assert net.training
        assert all(m.training for m in net.encoder.modules())
        norms = [m for m in net.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all((norm.running_mean == 0).all() for norm in norms)

    def test_the_answer_does_not_depend_on_the_mask_at_first(self) -> None:
        net = network("deeplabv2").eval()
        image, mask = inputs((33, 41))
        with torch.no_grad():
            torch.testing.assert_close(net(image, mask), net(image, torch.zeros_like(mask)))


def test_a_refiner_whose_channels_are_all_silent_still_learns() -> None:
    """A plain rectifier lets no gradient through there, and the object is lost for good."""
    net = build_network("mask_refiner", depth=2, width=4).train()
    norm = net.full.merge[1]
    with torch.no_grad():
        norm.weight.fill_(0.01)
        norm.bias.fill_(-1.0)
    net(*inputs((33, 41), batch=2)).sum().backward()
    assert norm.bias.grad.abs().min() > 0
