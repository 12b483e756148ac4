export { type ChatFormat, readChatFormat, readTemplateFile } from './chat-format.ts'
export {
  type Backtest,
  type BacktestOptions,
  type BacktestWindow,
  backtest,
  type CrossValidateOptions,
  crossValidate,
  makeFuture,
} from './cross-validate.ts'
export { type EditImagesOptions, editImages, maskedValues, type PictureMask } from './edit-images.ts'
export { type EvaluateBy, type EvaluationRow, evaluate } from './evaluate.ts'
export { type ExportOptions, exportModel, forwardText, textProgram } from './export-text.ts'
export type { DecoderOptions } from './families/decoder-config.ts'
export { type ContextExtension, extendContext, type RotaryScalingRequest } from './families/extend-context.ts'
export type { RotaryScalingChoice } from './families/rotary-config.ts'
export {
  type FitForecasterOptions,
  type Forecast,
  type Forecaster,
  type ForecastOptions,
  fitForecaster,
  restoreForecaster,
  type SeriesForecast,
} from './forecaster.ts'
export { type ForecasterCost, forecasterCost, forecasterIds, loadForecaster } from './forecaster-registry.ts'
export type {
  FitProgress,
  FitRequest,
  FittedForecaster,
  ForecastCapabilities,
  ForecasterSystem,
  LagCoefficients,
  Prediction,
  PredictRequest,
} from './forecaster-system.ts'
export { type GenerateImagesOptions, generateCodes, generateImages } from './generate-images.ts'
export { type GgufFactors, type GgufModel, ggufModel } from './gguf-model.ts'
export { ggufFactorTensors } from './gguf-places.ts'
export {
  type DecodeOptions,
  decodeCodes,
  type EncodeOptions,
  encodePictures,
  type ImageCoder,
  type ImageCoderOptions,
  openImageCoder,
} from './image-coder.ts'
export { tokenizerFor } from './image-engines/scale-schedule.ts'
export {
  type CreateImageModelOptions,
  createImageModel,
  type ImageModel,
  imageModelFiles,
  imageModule,
  isImageConfig,
  loadImageModel,
  saveImageModel,
} from './image-model.ts'
export { imageSystemIds, loadImageSystem } from './image-registry.ts'
export type {
  GuidanceScale,
  ImageContext,
  ImageNetwork,
  ImageSampler,
  ImageSystem,
  SampleOptions,
  SampleRequest,
  SampleStep,
} from './image-system.ts'
export { type ImageTaskOptions, imageTask, type LabelledCodes } from './image-task.ts'
export { imageTokenizerFiles, loadImageTokenizer, saveImageTokenizer } from './image-tokenizer-files.ts'
export { type ImageTokenizerTaskOptions, imageTokenizerTask } from './image-tokenizer-task.ts'
export { openTaef2 } from './open-taef2.ts'
export {
  applyQuantization,
  declaredQuantization,
  type QuantizationDeclaration,
  quantizationOf,
} from './quantization.ts'
export { type QuantizeTextOptions, quantizeText, textCalibration } from './quantize-text.ts'
export { loadSystem, systemForConfig, systemIds } from './registry.ts'
export { type LoadRwkv7Options, loadRwkv7, type Rwkv7Model } from './rwkv7-model.ts'
export { type ImageScore, type ScoreImagesOptions, scoreImages } from './score-images.ts'
export type { WeightsOption } from './stored-weights.ts'
export type { LanguageModel, TextSystem } from './system.ts'
export { readTextData, type TextData, type TextDataOptions, type TokenizerChoice } from './text-data.ts'
export {
  type CreateModelOptions,
  createModel,
  type LoadModelOptions,
  loadModel,
  modelFiles,
  saveModel,
  type TextModel,
} from './text-model.ts'
export { type ScoreTextOptions, scoreText, type TextScore } from './text-score.ts'
export { type TextTaskOptions, textTask } from './text-task.ts'
