/** Small ONNX models (opset 21, IR 10) as bytes: the tests make the same bytes from the schema. */
export const selfTestModels = {
  /** `z = x + y`, float32, two dimensions of any size. */
  addition: (): Uint8Array => bytesOf(addition),
  /**
   * GroupQueryAttention of com.microsoft: two heads of queries over one of keys and values, 8 features each, with a cache of any
   * capacity. `last` is the last position of each row, `total` the length of the longest.
   */
  cachedAttention: (): Uint8Array => bytesOf(cachedAttention),
}

const addition =
  'CAoSBW5leHR4OlsKDgoBeAoBeRIBeiIDQWRkEgR0ZXN0WhUKAXgSEAoOCAESCgoDEgFhCgMSAWJaFQoBeRIQCg4IARIKCgMSAWEKAxIBYmIVCgF6EhAKDg' +
  'gBEgoKAxIBYQoDEgFiQgQKABAV'

const cachedAttention =
  'CAoSBW5leHR4OusDCqABCgVxdWVyeQoDa2V5CgV2YWx1ZQoHcGFzdEtleQoJcGFzdFZhbHVlCgRsYXN0CgV0b3RhbBIFbWl4ZWQSCnByZXNlbnRLZXkSDH' +
  'ByZXNlbnRWYWx1ZSITR3JvdXBRdWVyeUF0dGVudGlvbioQCgludW1faGVhZHMYAqABAioTCgxrdl9udW1faGVhZHMYAaABAjoNY29tLm1pY3Jvc29mdBIE' +
  'dGVzdFodCgVxdWVyeRIUChIIARIOCgMSAWIKAxIBdAoCCBBaGwoDa2V5EhQKEggBEg4KAxIBYgoDEgF0CgIICFodCgV2YWx1ZRIUChIIARIOCgMSAWIKAx' +
  'IBdAoCCAhaIwoHcGFzdEtleRIYChYIARISCgMSAWIKAggBCgMSAWMKAggIWiUKCXBhc3RWYWx1ZRIYChYIARISCgMSAWIKAggBCgMSAWMKAggIWhMKBGxh' +
  'c3QSCwoJCAYSBQoDEgFiWhMKBXRvdGFsEgoKCAgGEgQKAggBYh0KBW1peGVkEhQKEggBEg4KAxIBYgoDEgF0CgIIEGImCgpwcmVzZW50S2V5EhgKFggBEh' +
  'IKAxIBYgoCCAEKAxIBYwoCCAhiKAoMcHJlc2VudFZhbHVlEhgKFggBEhIKAxIBYgoCCAEKAxIBYwoCCAhCBAoAEBVCEQoNY29tLm1pY3Jvc29mdBAB'

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
