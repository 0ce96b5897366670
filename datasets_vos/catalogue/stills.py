"""Facts about the datasets of still images."""

from datasets_vos.catalogue.info import NOT_STATED, Archive, DatasetInfo


def _saliencydetection(name: str, *splits: str) -> Archive:
    return Archive((f"http://saliencydetection.net/{name}.zip",), splits)


def _ecssd(name: str, size: int) -> Archive:
    home = "www.cse.cuhk.edu.hk/leojia/projects/hsaliency/data/ECSSD"
    return Archive((f"https://{home}/{name}.zip", f"http://{home}/{name}.zip"), size=size)


STILLS: dict[str, DatasetInfo] = {
    "dut_omron": DatasetInfo(
        title="DUT-OMRON, saliency",
        paper="Yang et al., CVPR 2013",
        kind="still",
        contents="5168 images",
        licence=NOT_STATED,
        homepage="http://saliencydetection.net/dut-omron/",
        tree=("DUT-OMRON-image/<name>.jpg", "pixelwiseGT-new-PNG/<name>.png"),
        archives=(
            _saliencydetection("dut-omron/download/DUT-OMRON-image"),
            # the publisher's own name has the suffix twice
            _saliencydetection("dut-omron/download/DUT-OMRON-gt-pixelwise.zip"),
        ),
        names=("dutomron",),
        signs=("pixelwiseGT-new-PNG",),
    ),
    "duts": DatasetInfo(
        title="DUTS, saliency",
        paper="Wang et al., CVPR 2017",
        kind="still",
        contents="15572 images (train 10553, test 5019)",
        licence=NOT_STATED,
        homepage="http://saliencydetection.net/duts/",
        splits=("train", "test"),
        tree=(
            "DUTS-TR/DUTS-TR-Image/<name>.jpg, DUTS-TR/DUTS-TR-Mask/<name>.png",
            "DUTS-TE/DUTS-TE-Image/<name>.jpg, DUTS-TE/DUTS-TE-Mask/<name>.png",
        ),
        archives=(
            _saliencydetection("duts/download/DUTS-TR", "train"),
            _saliencydetection("duts/download/DUTS-TE", "test"),
        ),
        names=("duts",),
        signs=("DUTS-T[RE]",),
    ),
    "ecssd": DatasetInfo(
        title="ECSSD, saliency in complex scenes",
        paper="Yan et al., CVPR 2013",
        kind="still",
        contents="1000 images",
        licence=NOT_STATED,
        homepage="https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/dataset.html",
        tree=("images/0001.jpg", "ground_truth_mask/0001.png"),
        archives=(_ecssd("images", 67_800_000), _ecssd("ground_truth_mask", 1_600_000)),
        names=("ecssd",),
        signs=("ground_truth_mask/0001.png",),
    ),
    "fss1000": DatasetInfo(
        title="FSS-1000, few-shot segmentation",
        paper="Li et al., CVPR 2020",
        kind="still",
        contents="10000 images (1000 classes)",
        licence=NOT_STATED,
        homepage="https://github.com/HKUSTCV/FSS-1000",
        tree=("<class>/{1..10}.jpg", "<class>/{1..10}.png"),
        steps=(
            "Fetch fewshot_data.zip from the Google Drive link on the homepage.",
            "Unpack it so that ROOT/abacus/1.jpg is there, and likewise for the other classes.",
        ),
        obtained="by hand",
        names=("fss1000", "fewshotdata"),
        signs=("abacus/1.jpg",),
    ),
    "hku_is": DatasetInfo(
        title="HKU-IS, saliency",
        paper="Li and Yu, CVPR 2015",
        kind="still",
        contents="4447 images",
        licence=NOT_STATED,
        homepage="https://i.cs.hku.hk/~gbli/deep_saliency.html",
        tree=("imgs/<name>.png", "gt/<name>.png"),
        steps=(
            "Fetch HKU-IS.rar from the Google Drive or Baidu link on the homepage.",
            "Unpack it with unrar, so that ROOT/imgs and ROOT/gt are there.",
        ),
        obtained="by hand",
        names=("hkuis",),
    ),
    "msra10k": DatasetInfo(
        title="MSRA10K, saliency",
        paper="Cheng et al., TPAMI 2015",
        kind="still",
        contents="10000 images",
        licence=NOT_STATED,
        homepage="https://mmcheng.net/msra10k/",
        tree=("Imgs/<name>.jpg", "Imgs/<name>.png"),
        archives=(
            Archive(
                (
                    "https://mftp.mmcheng.net/Data/MSRA10K_Imgs_GT.zip",
                    "http://mftp.mmcheng.net/Data/MSRA10K_Imgs_GT.zip",
                ),
                size=195_000_000,
            ),
        ),
        names=("msra10k",),
    ),
    "pascal_s": DatasetInfo(
        title="PASCAL-S, saliency graded by observers",
        paper="Li et al., CVPR 2014",
        kind="still",
        contents="850 images",
        licence=NOT_STATED,
        homepage="http://cbs.ic.gatech.edu/salobj/",
        tree=("datasets/imgs/pascal/<name>.jpg", "datasets/masks/pascal/<name>.png"),
        archives=(
            Archive(
                (
                    "https://cbs.ic.gatech.edu/salobj/download/salObj.zip",
                    "http://cbs.ic.gatech.edu/salobj/download/salObj.zip",
                ),
                size=175_000_000,
            ),
        ),
        names=("pascals",),
        signs=("datasets/imgs/pascal",),
    ),
    "sbd": DatasetInfo(
        title="Semantic Boundaries Dataset, instances on VOC 2011",
        paper="Hariharan et al., ICCV 2011",
        kind="still",
        contents="11355 images",
        licence=NOT_STATED,
        homepage="http://home.bharathh.info/pubs/codes/SBD/download.html",
        splits=("train", "val"),
        tree=("img/<name>.jpg", "inst/<name>.mat", "{train,val}.txt"),
        archives=(
            Archive(
                (
                    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
                    "semantic_contours/benchmark.tgz",
                    "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
                    "semantic_contours/benchmark.tgz",
                ),
                size=1_400_000_000,
            ),
        ),
        names=("sbd", "benchmarkrelease"),
        signs=("inst/2008_000002.mat", "dataset/inst/2008_000002.mat"),
    ),
    "sod": DatasetInfo(
        title="SOD, salient objects in the Berkeley images",
        paper="Movahedi and Elder, POCV 2010",
        kind="still",
        contents="300 images (seven observers)",
        licence=NOT_STATED,
        homepage="https://www.elderlab.yorku.ca/resources/salient-objects-dataset-sod/",
        tree=("SOD/SO<name>.mat", "BSDS300/images/{train,test}/<name>.jpg"),
        archives=(
            Archive(
                (
                    "https://elderlab.yorku.ca/SOD/SOD.zip",
                    "http://elderlab.yorku.ca/SOD/SOD.zip",
                )
            ),
            Archive(
                (
                    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
                    "segbench/BSDS300-images.tgz",
                )
            ),
        ),
        signs=("SO[0-9]*.mat", "SOD/SO[0-9]*.mat"),
    ),
    "stills": DatasetInfo(
        title="Your own pictures with masks",
        paper="none",
        kind="still",
        contents="any number of images",
        licence="yours",
        tree=("images/<name>.jpg and masks/<name>.png", "or <name>.jpg and <name>.png together"),
        steps=("Nothing to fetch: give --root, the folder of pictures and masks.",),
        obtained="your own",
    ),
    "voc2012": DatasetInfo(
        title="PASCAL VOC 2012, instances",
        paper="Everingham et al., VOC 2012",
        kind="still",
        contents="about 2913 images (train about 1464, val about 1449)",
        licence="Flickr terms of use",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        splits=("train", "val", "trainval"),
        tree=(
            "JPEGImages/<name>.jpg",
            "SegmentationObject/<name>.png",
            "SegmentationClass/<name>.png",
            "ImageSets/Segmentation/{train,val,trainval}.txt",
        ),
        archives=(
            Archive(
                ("http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",),
                size=2_000_000_000,
            ),
        ),
        names=("voc2012",),
        signs=("SegmentationObject", "VOC2012/SegmentationObject"),
    ),
}
"""Facts by the dataset's name; see :mod:`datasets_vos.catalogue`."""
