export {
  type LabelledPictures,
  type PictureSize,
  type Pictures,
  pictureLength,
  pictureValues,
  toPictures,
} from '../base/pictures.ts'
export { type Augmentation, augmentPictures, horizontalFlip, type ShiftOptions, shifted } from './augment.ts'
export type { Batch, Batches, WeightedBatch } from './batches.ts'
export { type PictureResize, type PictureSides, resizePictures } from './conform-pictures.ts'
export { type Documents, type TextDocumentsOptions, textDocuments } from './documents.ts'
export { type IdxPicturesOptions, readIdxPictures } from './idx-pictures.ts'
export { type PackedBatch, type PackedBatches, type PackOptions, packDocuments } from './pack.ts'
export { type ReadPicturesOptions, readPictures } from './read-pictures.ts'
export { type PictureSplit, type PictureSplitOptions, selectPictures, splitPictures } from './select-pictures.ts'
export { calendarFeatureNames, calendarFeatures } from './series/calendar.ts'
export type { ColumnOptions } from './series/columns.ts'
export {
  type Frequency,
  type FrequencyUnit,
  frequencyOf,
  frequencyText,
  frequencyUnits,
  seasonOf,
  stampAfter,
} from './series/frequency.ts'
export { type ReadSeries, type ReadSeriesOptions, readSeries } from './series/read-series.ts'
export { type FillRule, type SeriesReport, stampText } from './series/regular-series.ts'
export { frameWithoutLast, type Series, type SeriesFrame, stampAt, withoutLast } from './series/series-frame.ts'
export { type Split, type SplitOptions, splitDocuments } from './split.ts'
export { type TokenDataset, type TokenDatasetOptions, type Tokens, tokenDataset } from './token-dataset.ts'
export { type EpochBatches, type ScoringBatches, scoringWindows, shuffledWindows, type WindowOptions, windows } from './windows.ts'
