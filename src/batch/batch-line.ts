/** A line of a batch file, in OpenAI's format. */
export interface BatchLine {
  /** Names the line: the output has one line for each. */
  readonly custom_id: string
  readonly method: 'POST'
  readonly url: string
  readonly body: object
}
