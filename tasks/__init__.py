"""The long-time-lag tasks: one LightningDataModule a file. Add yours here."""
