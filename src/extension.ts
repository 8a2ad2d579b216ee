export type {
  Admission,
  AdmissionAnswer,
  CommandTable,
  Extension,
  ExtensionHost,
  ExtensionView,
  Move,
  Turn,
  TurnAction,
  TurnEvent,
  TurnRequest,
} from './engine/extension.ts'
export { extend } from './extend.ts'
export type { Extensible } from './extension-point.ts'
export type { JobRecord } from './job/record.ts'
