"""Facts about the video datasets."""

from datasets_vos.catalogue.info import NOT_STATED, Archive, DatasetInfo


def _davis(name: str, *splits: str) -> Archive:
    url = f"https://data.vision.ee.ethz.ch/csergi/share/davis/{name}-480p.zip"
    return Archive((url,), splits)


_DAVIS_LICENCE = "CC BY-NC 4.0"
_DAVIS_SPLITS = ("train", "val", "test-dev", "test-challenge")
_YOUTUBE_VOS_SPLITS = (
    "train",
    "valid",
    "test",
    "train_all_frames",
    "valid_all_frames",
    "test_all_frames",
)
_YOUTUBE_VOS_TREE = (
    "{train,valid,test}/JPEGImages/<video>/00000.jpg",
    "{train,valid,test}/Annotations/<video>/00000.png",
    "{train,valid,test}/meta.json",
    "all_frames/<split>_all_frames/JPEGImages/<video>/00000.jpg    (if you want all frames)",
)


def _youtube_vos(year: str, competition: str, contents: str) -> DatasetInfo:
    return DatasetInfo(
        title=f"YouTube-VOS {year}",
        paper="Xu et al., arXiv:1809.03327",
        kind="video",
        contents=contents,
        licence="terms at registration",
        homepage="https://youtube-vos.org/dataset/vos",
        splits=_YOUTUBE_VOS_SPLITS,
        tree=_YOUTUBE_VOS_TREE,
        steps=(
            f"Register for the {year} competition, number {competition}, at "
            "https://codalab.lisn.upsaclay.fr, and open its page Participate > Get Data; or follow "
            "the links on the homepage.",
            f"Fetch train.zip, valid.zip and test.zip of {year}. The two years have the same file "
            "names and other masks: never mix them in one folder.",
            "Unpack them so that ROOT/train/meta.json, ROOT/valid/meta.json and "
            "ROOT/test/meta.json are there.",
        ),
        obtained="by hand",
        names=(f"youtubevos{year}", f"youtube{year}", f"ytvos{year}", f"ytvos{year[2:]}"),
    )


VIDEOS: dict[str, DatasetInfo] = {
    "davis2016": DatasetInfo(
        title="DAVIS 2016, single object",
        paper="Perazzi et al., CVPR 2016",
        kind="video",
        contents="50 clips, 3455 frames (train 30 / 2079, val 20 / 1376)",
        licence=_DAVIS_LICENCE,
        homepage="https://davischallenge.org/davis2016/code.html",
        splits=("train", "val", "trainval"),
        tree=(
            "JPEGImages/480p/<sequence>/00000.jpg",
            "Annotations/480p/<sequence>/00000.png    (0 and 255)",
            "ImageSets/480p/{train,val,trainval}.txt    (pairs of paths)",
        ),
        archives=(
            Archive(
                ("https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip",),
                size=1_900_000_000,
            ),
        ),
        names=("davis2016", "davis16"),
        signs=("ImageSets/480p/*.txt",),
    ),
    "davis2017": DatasetInfo(
        title="DAVIS 2017, several objects, semi-supervised",
        paper="Pont-Tuset et al., arXiv:1704.00675",
        kind="video",
        contents="150 clips (train 60 / 4209 frames, val 30 / 1999, test-dev 30 / 2086, "
        "test-challenge 30 / about 2180)",
        licence=_DAVIS_LICENCE,
        homepage="https://davischallenge.org/davis2017/code.html",
        splits=_DAVIS_SPLITS,
        tree=(
            "JPEGImages/480p/<sequence>/00000.jpg",
            "Annotations/480p/<sequence>/00000.png    (ids; test: first frame only)",
            "ImageSets/2017/{train,val,test-dev,test-challenge}.txt",
        ),
        archives=(
            _davis("DAVIS-2017-trainval", "train", "val"),
            _davis("DAVIS-2017-test-dev", "test-dev"),
            _davis("DAVIS-2017-test-challenge", "test-challenge"),
        ),
        names=("davis2017", "davis17"),
        signs=("ImageSets/2017/*.txt",),
    ),
    "davis2017_unsupervised": DatasetInfo(
        title="DAVIS 2017, several objects, unsupervised",
        paper="Caelles et al., arXiv:1905.00737",
        kind="video",
        contents="150 clips (train 60 / 4209 frames, val 30 / 1999, test-dev 30, "
        "test-challenge 30)",
        licence=_DAVIS_LICENCE,
        homepage="https://davischallenge.org/davis2017/code.html",
        splits=_DAVIS_SPLITS,
        tree=(
            "JPEGImages/480p/<sequence>/00000.jpg",
            "Annotations_unsupervised/480p/<sequence>/00000.png    (not for test)",
            "ImageSets/2017/{train,val}.txt",
            "ImageSets/2019/{test-dev,test-challenge}.txt",
        ),
        archives=(
            _davis("DAVIS-2017-Unsupervised-trainval", "train", "val"),
            _davis("DAVIS-2019-Unsupervised-test-dev", "test-dev"),
            _davis("DAVIS-2019-Unsupervised-test-challenge", "test-challenge"),
        ),
        signs=("Annotations_unsupervised/480p",),
    ),
    "folder": DatasetInfo(
        title="Your own video: a file, or a folder of frames",
        paper="none",
        kind="video",
        contents="one clip",
        licence="yours",
        tree=("any image files in numeric order, or a video file; its mask is given by itself",),
        steps=("Nothing to fetch: give --root and --mask, the mask of the first frame.",),
        obtained="your own",
    ),
    "kitti_mots": DatasetInfo(
        title="KITTI-MOTS, cars and pedestrians in street scenes",
        paper="Voigtlaender et al., CVPR 2019",
        kind="video",
        contents="50 clips (train and val 21 / 8008 frames, test 29 / 11095 without masks)",
        licence="CC BY-NC-SA 3.0",
        homepage="https://www.vision.rwth-aachen.de/page/mots",
        splits=("train", "val", "test"),
        tree=(
            "train/images/<0000..0020>/000000.png",
            "train/instances/<0000..0020>/000000.png    (16 bit)",
            "test/images/<0000..0028>/000000.png",
        ),
        steps=(
            "Ask for the left colour images of the tracking benchmark (data_tracking_image_2.zip, "
            "about 15 GB) at https://www.cvlibs.net/datasets/kitti/eval_tracking.php, which sends "
            "a link by mail.",
            "Move training/image_02 of it to ROOT/train/images and testing/image_02 to "
            "ROOT/test/images.",
            "Fetch the annotations in PNG format (instances.zip) from the homepage, and unpack "
            "them to ROOT/train/instances.",
        ),
        obtained="by hand",
        names=("kittimots",),
    ),
    "mots20": DatasetInfo(
        title="MOTS20 (MOTSChallenge), pedestrians",
        paper="Voigtlaender et al., CVPR 2019",
        kind="video",
        contents="4 clips (2862 frames with masks)",
        licence="CC BY-NC-SA 3.0",
        homepage="https://www.vision.rwth-aachen.de/page/mots",
        splits=("train", "test"),
        tree=(
            "train/images/<0002|0005|0009|0011>/000001.jpg",
            "train/instances/<0002|0005|0009|0011>/000001.png    (16 bit)",
        ),
        steps=(
            "Register at https://motchallenge.net and fetch MOTS.zip from "
            "https://motchallenge.net/data/MOTS/.",
            "Move train/MOTS20-02/img1 of it to ROOT/train/images/0002, and so on for 05, 09, 11.",
            "Fetch the annotations of the MOTSChallenge in PNG format from the homepage, and "
            "unpack them to ROOT/train/instances.",
        ),
        obtained="by hand",
        names=("mots20", "motschallenge"),
    ),
    "segtrack_v2": DatasetInfo(
        title="SegTrack v2",
        paper="Li et al., ICCV 2013",
        kind="video",
        contents="14 clips (24 objects, about 976 frames)",
        licence=NOT_STATED,
        homepage="https://web.engr.oregonstate.edu/~lif/SegTrack2/dataset.html",
        tree=(
            "JPEGImages/<sequence>/<frame>.{png,bmp,jpg}",
            "GroundTruth/<sequence>/[<object>/]<frame>.{png,bmp}",
            "ImageSets/<sequence>.txt",
        ),
        archives=(
            Archive(
                ("https://web.engr.oregonstate.edu/~lif/SegTrack2/SegTrackv2.zip",),
                size=200_000_000,
            ),
        ),
        names=("segtrackv2", "segtrack2"),
        signs=("GroundTruth/bird_of_paradise",),
    ),
    "toy": DatasetInfo(
        title="The embedded set: photographs in motion",
        paper="none",
        kind="video",
        contents="10 clips (26 frames each; train 6, val 4)",
        licence="those of scikit-image",
        splits=("train", "val"),
        tree=("as DAVIS 2017, and Flow/480p/<sequence>/00001.png", "toy.json"),
        steps=("Nothing to fetch: python cli.py data toy generates it.",),
        obtained="generated",
        signs=("toy.json",),
    ),
    "youtube_objects": DatasetInfo(
        title="YouTube-Objects with the masks of Jain and Grauman",
        paper="Prest et al., CVPR 2012; Jain and Grauman, ECCV 2014",
        kind="video",
        contents="about 126 clips (10 classes, about 20101 frames, every 10th with a mask)",
        licence=NOT_STATED,
        homepage="http://vision.cs.utexas.edu/projects/videoseg/",
        tree=(
            "<class>/data/<0001>/shots/<001>/images/<frame>.png",
            "<class>/data/<0001>/shots/<001>/labels/<frame>.jpg",
        ),
        steps=(
            "Fill in the form at "
            "http://vision.cs.utexas.edu/projects/videoseg/data_download_register.html; it leads "
            "to the frames and masks.",
            "Unpack them so that ROOT/aeroplane/data/0001/shots/001/images is there, and likewise "
            "for the other classes.",
        ),
        obtained="by hand",
        names=("youtubeobjects", "youtubemasks"),
        signs=("aeroplane/data", "youtube_masks/aeroplane/data"),
    ),
    "youtube_vos2018": _youtube_vos(
        "2018",
        "7685",
        "4453 clips (train 3471 / 5945 objects, valid 474 / 894, test 508 / 915)",
    ),
    "youtube_vos2019": _youtube_vos(
        "2019",
        "6066",
        "4519 clips (train 3471 / 6459 objects, valid 507 / 1063, test 541 / 1092)",
    ),
}
"""Facts by the dataset's name; see :mod:`datasets_vos.catalogue`."""
