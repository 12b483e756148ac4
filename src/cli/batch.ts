import { type Command, Option } from 'commander'
import { positive } from './numbers.ts'
import { addService, type ServiceFlags, serviceFlags } from './served-models.ts'

interface QueueFlags {
  readonly queue?: string
  readonly queueName?: string
}

/** The options of `nextx batch` as they were given. */
export interface BatchFlags extends ServiceFlags, QueueFlags {
  readonly out: string
}

/** The options of `nextx batch-worker` as they were given. */
export interface BatchWorkerFlags extends ServiceFlags, QueueFlags {
  readonly queue: string
  /** In seconds. */
  readonly lock?: number
}

export function registerBatch(program: Command): void {
  const command = program
    .command('batch')
    .summary('answer many requests from a file')
    .description(
      "Answers a file of requests in OpenAI's batch format, a line each. Stopped or killed, it goes on when it is run again.",
    )
    .argument('<requests>', 'a file of JSON lines: custom_id, method, url, body')
    .requiredOption('-o, --out <file>', 'the file of answers to write, a line for each request')
  addService(command)
  addQueue(command)
  command.addHelpText('after', batchExamples).action(async (requests: string, flags: BatchFlags) => {
    if (flags.model === undefined && flags.queue === undefined)
      command.error("error: needs '--model <name=model>' or '--queue <url>'")
    const foreign = serviceFlags.find((name) => flags[name] !== undefined)
    const fromEnvironment = command.getOptionValueSource('queue') === 'env'
    if (flags.queue !== undefined && foreign !== undefined && !fromEnvironment)
      command.error(`error: option '--queue' cannot be used with option '--${kebab(foreign)}': the workers have the models`)
    const { batchAction } = await import('./actions/batch.ts')
    const { queue: _queue, ...embedded } = flags
    await batchAction(requests, foreign === undefined ? flags : embedded)
  })
}

export function registerBatchWorker(program: Command): void {
  const command = program
    .command('batch-worker')
    .summary('answer requests of batches in a queue')
    .description(
      'Answers requests that `nextx batch --queue` puts into a queue, with as many other workers as there are, until it is stopped.',
    )
  addService(command)
  addQueue(command)
  command
    .option('--lock <seconds>', 'after which a worker that says nothing counts as dead (default: 15)', positive)
    .addHelpText('after', workerExamples)
    .action(async (flags: BatchWorkerFlags) => {
      if (flags.model === undefined) command.error("error: required option '-m, --model <name=model>' not specified")
      if (flags.queue === undefined) command.error("error: required option '--queue <url>' not specified")
      const { batchWorkerAction } = await import('./actions/batch-worker.ts')
      await batchWorkerAction(flags)
    })
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function addQueue(command: Command): void {
  const url = new Option('--queue <url>', 'a queue on Redis, which workers share: redis://host:port').env('NEXTX_QUEUE')
  command.addOption(url).option('--queue-name <name>', 'of several queues of one Redis (default: nextx-batch)')
}

const batchExamples = `
Examples:
  nextx batch requests.jsonl --model stories260K --out answers.jsonl
  nextx batch requests.jsonl --model small=models/qwen3-0.6b --chat-template chat.jinja --out answers.jsonl
  nextx batch requests.jsonl --queue redis://localhost:6379 --out answers.jsonl`

const workerExamples = `
Examples:
  nextx batch-worker --queue redis://localhost:6379 --model stories260K
  NEXTX_QUEUE=rediss://user:password@queue.example:6380 nextx batch-worker --model small=models/qwen3-0.6b`
