import { continueGreedily, type Greedy } from './greedy.ts'

interface WorkerScope {
  onmessage: (event: { readonly data: Greedy }) => void
  postMessage(answer: unknown): void
}

const scope = globalThis as unknown as WorkerScope

scope.onmessage = async ({ data }) => scope.postMessage(await continueGreedily(data))
