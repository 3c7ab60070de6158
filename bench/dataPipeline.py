"""The peer of bench/dataPipeline.ts: an epoch of a DataLoader with two workers and the same transforms.

    dataPipeline.py FOLDER BATCH

FOLDER holds digits.bin (uint8, n x 28 x 28), small/ (PNG of 32 x 32) and photos/ (JPEG of 500 x 375).
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from support.serve import serve
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

folder, batch = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)


class Digits(Dataset):
    def __init__(self):
        self.pixels = torch.from_numpy(np.fromfile(folder / "digits.bin", np.uint8).reshape(-1, 1, 28, 28))
        self.vary = T.Compose([T.RandomCrop(28, padding=3, padding_mode="edge"), T.ConvertImageDtype(torch.float32), T.Normalize([0.5], [0.5])])

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, item):
        return self.vary(self.pixels[item])


class Files(Dataset):
    def __init__(self, name, side):
        self.paths = sorted((folder / name / "all").iterdir())
        self.vary = T.Compose(
            [
                T.Resize(side),
                T.CenterCrop(side),
                T.RandomHorizontalFlip(),
                T.RandomCrop(side, padding=round(side / 8), padding_mode="edge"),
                T.ColorJitter(0.2, 0.2, 0.2),
                T.ToTensor(),
                T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, item):
        with Image.open(self.paths[item]) as image:
            return self.vary(image.convert("RGB"))


def epoch_of(dataset):
    # The workers stay from epoch to epoch: their start is not timed after the first.
    loader = DataLoader(dataset, batch, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)

    def cpu():
        """Processor seconds of this process and the loader's workers, which serve.py does not see."""
        workers = loader._iterator._workers if loader._iterator else []
        ticks = [Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for worker in workers]
        return time.process_time() + sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")

    def run():
        start, total = cpu(), 0
        for images in loader:
            total += len(images)
        return {"images": total, "cpu": cpu() - start}

    return run


serve({"digits": epoch_of(Digits()), "png": epoch_of(Files("small", 32)), "jpeg": epoch_of(Files("photos", 224))})
