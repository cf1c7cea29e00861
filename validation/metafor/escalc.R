# Effect sizes from summary data.

remake <- function(reference, load) {
  list(cases = lapply(reference$cases, function(case) {
    given <- c(list(measure = case$measure), reference$tables[[case$table]], case$options)
    # metafor warns where a study has no effect; the reference holds null there.
    found <- suppressWarnings(do.call(escalc, given))
    list(yi = as.numeric(found$yi), vi = as.numeric(found$vi))
  }))
}
