export type {
  Admission,
  AdmissionAnswer,
  CommandTable,
  Extension,
  ExtensionHost,
  Move,
  Turn,
  TurnAction,
  TurnEvent,
  TurnRequest,
} from './engine/extension.ts'
export { type Extensible, extend } from './extend.ts'
export type { JobRecord } from './job/record.ts'
