export { type DecodeOnnxOptions, decodeOnnx, type OnnxLimits } from './onnx-reader.ts'
export type {
  OnnxAttribute,
  OnnxExternalData,
  OnnxExternalInitializer,
  OnnxGraph,
  OnnxInitializer,
  OnnxInlineInitializer,
  OnnxModel,
  OnnxNode,
  OnnxOpset,
  OnnxValue,
} from './onnx-schema.ts'
export { onnxTypeCodes } from './onnx-schema.ts'
export { type EncodedOnnx, type EncodeOnnxOptions, encodeOnnx } from './onnx-writer.ts'
