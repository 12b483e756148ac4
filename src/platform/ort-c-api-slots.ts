/** A function of `struct OrtCApi`: its place in the struct, what it returns and what it takes, in C types as koffi names them. */
export interface ApiSlot {
  readonly slot: number
  readonly result: 'status' | 'void' | 'str'
  readonly parameters: readonly CType[]
}

export type CType = 'void *' | 'str' | 'int' | 'size_t'

/**
 * What nextx calls of ONNX Runtime's C API (include/onnxruntime/core/session/onnxruntime_c_api.h). Releases only append to the
 * struct, yet the places are used with the tested release alone. Paths are `ORTCHAR_T`: UTF-16 on Windows, bytes elsewhere.
 */
export const ortCApiSlots = {
  GetErrorMessage: call(2, 'str', 'void *'),
  CreateEnv: call(3, 'status', 'int', 'str', 'void *'),
  CreateSessionFromArray: call(8, 'status', 'void *', 'void *', 'size_t', 'void *', 'void *'),
  Run: call(9, 'status', 'void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *'),
  CreateSessionOptions: call(10, 'status', 'void *'),
  SetSessionExecutionMode: call(13, 'status', 'void *', 'int'),
  DisableMemPattern: call(17, 'status', 'void *'),
  SetSessionLogSeverityLevel: call(22, 'status', 'void *', 'int'),
  SetSessionGraphOptimizationLevel: call(23, 'status', 'void *', 'int'),
  SetIntraOpNumThreads: call(24, 'status', 'void *', 'int'),
  SetInterOpNumThreads: call(25, 'status', 'void *', 'int'),
  SessionGetInputCount: call(30, 'status', 'void *', 'void *'),
  SessionGetOutputCount: call(31, 'status', 'void *', 'void *'),
  SessionGetInputTypeInfo: call(33, 'status', 'void *', 'size_t', 'void *'),
  SessionGetOutputTypeInfo: call(34, 'status', 'void *', 'size_t', 'void *'),
  SessionGetInputName: call(36, 'status', 'void *', 'size_t', 'void *', 'void *'),
  SessionGetOutputName: call(37, 'status', 'void *', 'size_t', 'void *', 'void *'),
  CreateTensorWithDataAsOrtValue: call(49, 'status', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *'),
  GetTensorMutableData: call(51, 'status', 'void *', 'void *'),
  CastTypeInfoToTensorInfo: call(55, 'status', 'void *', 'void *'),
  GetTensorElementType: call(60, 'status', 'void *', 'void *'),
  GetDimensionsCount: call(61, 'status', 'void *', 'void *'),
  GetDimensions: call(62, 'status', 'void *', 'void *', 'size_t'),
  GetSymbolicDimensions: call(63, 'status', 'void *', 'void *', 'size_t'),
  GetTensorTypeAndShape: call(65, 'status', 'void *', 'void *'),
  CreateCpuMemoryInfo: call(69, 'status', 'int', 'int', 'void *'),
  AllocatorFree: call(76, 'status', 'void *', 'void *'),
  GetAllocatorWithDefaultOptions: call(78, 'status', 'void *'),
  ReleaseEnv: call(92, 'void', 'void *'),
  ReleaseStatus: call(93, 'void', 'void *'),
  ReleaseMemoryInfo: call(94, 'void', 'void *'),
  ReleaseSession: call(95, 'void', 'void *'),
  ReleaseValue: call(96, 'void', 'void *'),
  ReleaseTypeInfo: call(98, 'void', 'void *'),
  ReleaseTensorTypeAndShapeInfo: call(99, 'void', 'void *'),
  ReleaseSessionOptions: call(100, 'void', 'void *'),
  AddSessionConfigEntry: call(130, 'status', 'void *', 'str', 'str'),
  AddExternalInitializersFromFilesInMemory: call(279, 'status', 'void *', 'void *', 'void *', 'void *', 'size_t'),
} as const satisfies Readonly<Record<string, ApiSlot>>

export type ApiFunction = keyof typeof ortCApiSlots

function call(slot: number, result: ApiSlot['result'], ...parameters: CType[]): ApiSlot {
  return { slot, result, parameters }
}
