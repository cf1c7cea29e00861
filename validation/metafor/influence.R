# Deletion diagnostics, cumulative pools, Baujat coordinates.

deletion <- function(yi, vi, method, control) {
  fit <- rma(yi, vi, method = method, control = if (method == "FE") list() else control)
  found <- influence(fit, progbar = FALSE)
  standard <- rstandard(fit)
  deleted <- rstudent(fit)
  c(
    take(found$inf, c(
      dffits = "dffits", cook_d = "cook.d", cov_r = "cov.r", tau2_del = "tau2.del", QE_del = "QE.del",
      hat = "hat", weight = "weight"
    )),
    list(
      rstandard_z = standard$z, rstudent = deleted$z, rstudent_se = deleted$se,
      dfbs = found$dfbs[[1]], is_influential = as.integer(found$is.infl)
    )
  )
}

cumulative <- function(yi, vi, order, method, test) {
  fit <- rma(yi, vi, method = method, test = test, control = if (method == "FE") list() else tight)
  found <- cumul(fit, order = order)
  take(found, c(estimate = "estimate", se = "se", Q = "Q", if (method != "FE") c(tau2 = "tau2")))
}

remake <- function(reference, load) {
  pdf(NULL) # baujat() draws; nothing is written
  one <- function(data) {
    yi <- data$yi
    vi <- data$vi
    list(
      sorted = order(data$order),
      influence = lapply(named(c("FE", "DL", "REML")), function(method) {
        at_tightest(function(control) deletion(yi, vi, method, control), function(found) !anyNA(unlist(found)))
      }),
      cumul = list(
        FE_z = cumulative(yi, vi, data$order, "FE", "z"), DL_z = cumulative(yi, vi, data$order, "DL", "z"),
        REML_z = cumulative(yi, vi, data$order, "REML", "z"),
        REML_knha = cumulative(yi, vi, data$order, "REML", "knha")
      )
    )
  }
  bcg <- reference$datasets$bcg_RR
  coordinates <- lapply(named(c("FE", "DL")), function(method) {
    take(baujat(rma(bcg$yi, bcg$vi, method = method)), c(x = "x", y = "y"))
  })
  list(datasets = lapply(reference$datasets, one), baujat = list(bcg_RR = coordinates))
}
