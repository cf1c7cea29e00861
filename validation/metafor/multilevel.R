# Two- and three-level models of one data set (schools within districts).

levels_of <- list(
  district_school = list(random = ~ 1 | district / school, ids = c("district", "study")),
  district = list(random = ~ 1 | district, ids = "district"),
  study = list(random = ~ 1 | study, ids = "study")
)

# key: <levels>_<method>_<test>[_year].
level_fit <- function(data, key) {
  part <- regmatches(key, regexec("^(.*)_(REML|ML)_(z|t)(_year)?$", key))[[1]]
  frame <- as.data.frame(data[c("yi", "vi", "district", "school", "study", "year")])
  level <- levels_of[[part[2]]]
  fitted <- function(sigma2) {
    rma.mv(
      yi, vi, mods = if (part[5] == "") ~ 1 else ~ year, random = level$random, data = frame,
      method = part[3], test = part[4], sigma2 = sigma2, sparse = FALSE
    )
  }
  start <- fitted(rep(NA, length(level$ids)))
  same <- lapply(level$ids, function(id) 1 * outer(frame[[id]], frame[[id]], "=="))
  X <- if (part[5] == "") cbind(rep(1, nrow(frame))) else cbind(1, frame$year - mean(frame$year))
  fitted(optimum(frame$yi, diag(frame$vi), X, same, start$sigma2, part[3]))
}

remake <- function(reference, load) {
  data <- reference$konstantopoulos2011
  list(konstantopoulos2011 = list(fits = lapply(named(names(data$fits)), function(key) {
    fit <- level_fit(data, key)
    numbers <- take(fit, c(
      beta = "beta", se = "se", pval = "pval", ci_lb = "ci.lb", ci_ub = "ci.ub", sigma2 = "sigma2", QE = "QE",
      QEp = "QEp"
    ))
    if (is.null(data$fits[[key]]$logLik)) numbers else c(numbers, list(logLik = as.numeric(logLik(fit))))
  })))
}
