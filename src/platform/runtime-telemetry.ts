/**
 * ONNX Runtime reports to its maker from 1.30 on: it looks up that maker's hosts, and writes a device id and logs. It asks the process's
 * environment when its library starts, so this comes before that, on the main thread: a worker's `process.env` is a copy, which C code
 * does not see. Whoever set the variable keeps what they set.
 */
export function silenceRuntime(environment: NodeJS.ProcessEnv = process.env): void {
  environment.ORT_DISABLE_TELEMETRY ??= '1'
}
