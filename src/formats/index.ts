export { isJsonObject, type JsonLimits, type JsonOptions, parseJson } from './json.ts'
export {
  type DecodeOnnxOptions,
  decodeOnnx,
  type EncodedOnnx,
  type EncodeOnnxOptions,
  encodeOnnx,
  type OnnxAttribute,
  type OnnxExternalData,
  type OnnxExternalInitializer,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxInlineInitializer,
  type OnnxLimits,
  type OnnxModel,
  type OnnxNode,
  type OnnxOpset,
  type OnnxValue,
  onnxTypeCodes,
} from './onnx.ts'
export { readSafetensor, readSafetensors, type Safetensors, safetensorsPieces, writeSafetensors } from './safetensors.ts'
export {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsHeaderOptions,
  type SafetensorsLimits,
  safetensorsHeadBytes,
} from './safetensors-header.ts'
