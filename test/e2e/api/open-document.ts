/** `/openapi.json` as tests read it: operations one by one, and whether a value is what the document says. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema: { readonly type?: string; readonly enum?: readonly string[]; readonly pattern?: string }
}

export interface DocumentedOperation {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: object | undefined
  readonly responses: Readonly<Record<string, Content>>
}

interface Item {
  readonly operationId: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Required<Content>
  readonly responses: Readonly<Record<string, Content>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Item>>>>
  readonly components: { readonly responses: Readonly<Record<string, Content>> }
}

export class OpenDocument {
  readonly operations: readonly DocumentedOperation[]
  readonly #ajv: Ajv2020
  /** What all operations have in common. */
  readonly #refusals: Content | undefined
  readonly #compiled = new Map<object, ValidateFunction>()

  /** Answers are judged strictly: they may have no field that the document does not know. */
  constructor(json: object) {
    const document = json as Document
    this.#refusals = document.components.responses['Problem']
    this.operations = Object.entries(document.paths).flatMap(([path, items]) =>
      Object.entries(items).map(([method, { operationId, parameters = [], requestBody, responses }]) => {
        return {
          id: operationId,
          method: method.toUpperCase(),
          path,
          parameters,
          body: requestBody?.content['application/json']?.schema,
          responses,
        }
      }),
    )
    this.#ajv = new Ajv2020({ strict: false })
    formats.default(this.#ajv)
    // Of the schemas beside it the pattern says as much.
    this.#ajv.addFormat('base64', true)
    this.#ajv.addSchema(closed(json) as object, 'document')
  }

  /** What is wrong with a body, or `undefined`. */
  fault(schema: object, value: unknown): string | undefined {
    let validate = this.#compiled.get(schema)
    if (!validate) this.#compiled.set(schema, (validate = this.#ajv.compile(closed(schema, 'document') as object)))
    return validate(value) ? undefined : this.#ajv.errorsText(validate.errors)
  }

  /** What is wrong with an answer. */
  answerFault({ id, responses }: DocumentedOperation, status: number, type: string, value: unknown): string | undefined {
    const answer = responses[status] ?? this.#refusals
    if (!answer) return `${id} answered ${status}, which is not documented`
    const schema = answer.content?.[type]?.schema
    if (!schema) return type === '' && !answer.content ? undefined : `${id} answered ${status} of type ${type}, which is not documented`
    const wrong = this.fault(schema, value)
    return wrong && `${id} answered ${status} otherwise than documented: ${wrong}: ${JSON.stringify(value)}`
  }
}

/** Objects with known fields have no others; references lead into `document`. */
function closed(value: unknown, document = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => closed(each, document))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, closed(each, document)]))
  if (typeof copy['$ref'] === 'string') copy['$ref'] = document + copy['$ref']
  if (copy['type'] === 'object' && copy['properties'] && copy['additionalProperties'] === undefined) copy['additionalProperties'] = false
  return copy
}
